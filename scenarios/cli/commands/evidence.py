"""`quiesce evidence`: a pack for a safety assessor, and what has changed since the last one."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ....model.base.errors import InputError, Place, Problem, TraceFormatError
from ....properties.core.verdict import most_alarming
from ....reports.evidence.difference import differences
from ....reports.evidence.pack import Pack, Requirement
from ...evidence.pack import Extent, collect_evidence, read_requirements, seal
from ..output.exit_status import OF_VERDICT, OK, VIOLATED
from ..output.terminal import VERDICT_STYLES, say, say_json, say_rows, show_progress, styled


class EvidenceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        scenarios: Words for them.
        out: Folder of the pack; there must be none yet.
        extent: How far to look.
        requirements: A file of requirements, or None.
        json: Whether to write JSON.
    """

    scenarios: tuple[str, ...]
    out: Path
    extent: Extent
    requirements: Path | None
    json: bool


def evidence_command(request: EvidenceRequest) -> int:
    """Make a pack: all of it, or nothing.

    Raises:
        InputError: If a scenario, the requirements or the folder cannot be used.
    """
    requirements = read_requirements(request.requirements) if request.requirements else ()
    if request.out.exists():
        message = "there is something of this name already, and a pack is never changed"
        remedy = "name a new folder with --out, or remove this one"
        raise InputError([Problem(Place(str(request.out)), message, remedy=remedy)])
    pack = _build_pack(request, requirements)
    word = most_alarming(m.judgement.verdict for s in pack.scenarios for m in s.methods)
    status = VIOLATED if pack.survivors else OF_VERDICT[word]
    if request.json:
        document = msgspec.json.decode(msgspec.json.encode(pack))
        say_json({"exit_status": status, "folder": str(request.out), "pack": document})
        return status
    rows = [
        (scenario.name, method.judgement.headline, method.judgement.label)
        for scenario in pack.scenarios
        for method in scenario.methods
    ]
    say_rows(rows, VERDICT_STYLES)
    if pack.mutants:
        noticed = len(pack.mutants) - len(pack.survivors)
        say(f"{noticed} of {len(pack.mutants)} known ways to go wrong are noticed")
    say()
    say(f"written to {request.out}: evidence.html, evidence.json, SHA256SUMS", hang=2)
    return status


def _build_pack(request: EvidenceRequest, requirements: Sequence[Requirement]) -> Pack:
    """Make the pack beside its place and then move it there, so that it is never half."""
    parent = request.out.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{request.out.name}.", dir=parent))
    except OSError as error:
        message = f"the pack cannot be written: {error.strerror or error}"
        remedy = "name another folder with --out"
        raise InputError([Problem(Place(str(request.out)), message, remedy=remedy)]) from None
    try:
        pack = collect_evidence(
            request.scenarios, place, request.extent, requirements, show_progress
        )
        seal(pack, place)
        # The pack is whole by now; the rename makes it visible at once or not at all.
        place.chmod(0o755)
        os.replace(place, request.out)  # noqa: PTH105
    finally:
        show_progress("")
        shutil.rmtree(place, ignore_errors=True)
    return pack


def evidence_diff_command(old: Path, new: Path, *, as_json: bool) -> int:
    """Print what has changed from one pack to another.

    Raises:
        TraceFormatError: If one of them is no pack.
    """
    lines = differences(_read(old), _read(new))
    if as_json:
        say_json({"differences": [{"where": where, "what": what} for where, what in lines]})
    elif not lines:
        say("nothing that matters has changed")
    else:
        where = ""
        for place, what in lines:
            if place != where:
                say(styled(place, "bold"))
                where = place
            say(what, indent=2, hang=2)
    return VIOLATED if lines else OK


def _read(folder: Path) -> Pack:
    path = folder / "evidence.json" if folder.is_dir() else folder
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pack)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        remedy = "name a folder that `quiesce evidence` has written"
        problem = Problem(Place(str(path)), message, remedy=remedy)
        raise TraceFormatError([problem]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, AssertionError) as error:
        message = f"not the data of an evidence pack: {error}"
        problem = Problem(Place(str(path)), message, remedy="see `quiesce evidence --help`")
        raise TraceFormatError([problem]) from None
