"""JUnit XML: verdicts as results of tests, for build servers that show such results.

A scenario is a suite, and a property is a test case. `violated` is a failure. `inconclusive` is an
error, because the check could not be finished. `vacuous` is skipped: nothing was tested, which must
never look like a pass. The suite's properties give what its verdicts rest on.

Source:
    The JUnit XML format as Apache Ant writes it and Jenkins, GitLab and others read it.
"""

from collections.abc import Sequence
from xml.etree import ElementTree

from ...properties.core.verdict import Judgement, Verdict
from ..core.words import printable

_TAGS = {"violated": "failure", "inconclusive": "error", "vacuous": "skipped"}


def junit_xml(judgements: Sequence[Judgement]) -> bytes:
    """Return judgements as one document of JUnit XML."""
    root = ElementTree.Element("testsuites", {"name": "quiesce", **_counts(judgements)})
    for judgement in judgements:
        _add_suite(root, judgement)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _counts(judgements: Sequence[Judgement]) -> dict[str, str]:
    words = [verdict.verdict for judgement in judgements for verdict in judgement.verdicts]
    return {
        "tests": str(len(words)),
        "failures": str(words.count("violated")),
        "errors": str(words.count("inconclusive")),
        "skipped": str(words.count("vacuous")),
    }


def _add_suite(root: ElementTree.Element, judgement: Judgement) -> None:
    name = printable(judgement.scenario)
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **_counts([judgement])})
    about = ElementTree.SubElement(suite, "properties")
    rests_on = [("label", judgement.label)]
    rests_on += [("bound", bound) for bound in judgement.bounds]
    rests_on += [
        (f"assumes {each.name}", f"{each.value} ({each.basis})") for each in judgement.assumptions
    ]
    for key, value in rests_on:
        entry = {"name": printable(key), "value": printable(value)}
        ElementTree.SubElement(about, "property", entry)
    for verdict in judgement.verdicts:
        _add_case(suite, name, verdict)


def _add_case(suite: ElementTree.Element, scenario: str, verdict: Verdict) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": f"quiesce.{scenario}", "name": verdict.property}
    )
    tag = _TAGS.get(verdict.verdict)
    if tag is None:
        return
    message = {"message": printable(verdict.reason)}
    if tag != "skipped":
        message["type"] = verdict.severity if tag == "failure" else verdict.verdict
    result = ElementTree.SubElement(case, tag, message)
    lines = [f"#{each.index} at {each.at_ns} ns: {each.message}" for each in verdict.violations]
    more = verdict.violation_count - len(verdict.violations)
    lines += [f"and {more} more"] if more else []
    result.text = "\n".join(printable(line) for line in lines) or None
