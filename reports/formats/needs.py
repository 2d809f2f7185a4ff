"""needs.json: properties, scenarios and verdicts as linked objects for Sphinx-Needs.

There are three types: `req` is a property with its claim, `test` is a scenario, and `result` is the
verdict of a property on a scenario, with its label. A project imports the file with `needimport`.
Its own documentation then has the table of requirement, test and result, both ways.

Source:
    Sphinx-Needs documentation, builder `needs` and directive `needimport`: the file's form.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from ...properties.core.verdict import Judgement, Verdict
from ...properties.registry import PROPERTIES
from ..core.words import printable

PROJECT = "quiesce"


def needs_json(judgements: Sequence[Judgement], version: str) -> bytes:
    """Return judgements as a needs.json.

    Args:
        judgements: Judgements of different scenarios.
        version: The version of the needs in the file.
    """
    needs: dict[str, dict[str, Any]] = {}
    for judgement in judgements:
        test = _need(_id("TEST", judgement.scenario), "test", judgement.scenario)
        test["content"] = "\n\n".join(printable(bound) for bound in judgement.bounds)
        test["status"] = judgement.headline
        needs[test["id"]] = test
        for verdict in judgement.verdicts:
            requirement = _requirement(verdict.property)
            needs.setdefault(requirement["id"], requirement)
            result = _result(judgement, verdict, test["id"], requirement["id"])
            needs[result["id"]] = result
    document = {
        "project": PROJECT,
        "current_version": version,
        "versions": {
            version: {
                "creator": {"program": "quiesce", "version": version},
                "needs_amount": len(needs),
                "needs": dict(sorted(needs.items())),
            }
        },
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _need(identity: str, kind: str, title: str) -> dict[str, Any]:
    return {"id": identity, "type": kind, "title": printable(title), "links": [], "tags": []}


def _requirement(name: str) -> dict[str, Any]:
    kind = PROPERTIES[name]
    need = _need(_id("REQ", name), "req", name)
    need["content"] = f"{kind.claim}\n\nFormally: {kind.formula}\n\nSource: {kind.source}"
    return need


def _result(judgement: Judgement, verdict: Verdict, test: str, requirement: str) -> dict[str, Any]:
    title = f"{verdict.property} in {judgement.scenario}: {verdict.verdict} [{judgement.label}]"
    need = _need(_id("RESULT", judgement.scenario, verdict.property), "result", title)
    need["links"] = [requirement, test]
    need["status"] = verdict.verdict
    need["tags"] = [re.sub(r"[^a-z]+", "-", judgement.label.lower()).strip("-")]
    need["content"] = printable(verdict.reason)
    return need


def _id(*words: str) -> str:
    """Return an identifier as Sphinx-Needs takes it: capitals, digits and underscores.

    A name that must change to fit gets some digits of its hash, so that two names stay distinct.
    """
    parts = []
    for word in words:
        plain = re.sub(r"[^A-Z0-9_]", "_", word.upper())
        is_kept = plain.lower().replace("_", "-") == word
        digest = "" if is_kept else "_" + hashlib.sha256(word.encode()).hexdigest()[:6].upper()
        parts.append(plain + digest)
    return "_".join(parts)
