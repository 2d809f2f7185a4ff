"""Replay files: a whole run as data, independent of scenario files.

A replay file holds the resolved plan, its assumptions and every choice.  The same release makes the
same trace from it, byte for byte.  Its identity is the SHA-256 of these parts; the header of the
trace has it, and the reader checks it against the content.
"""

import hashlib
from pathlib import Path

import msgspec

from ...model.base.choices import ChoicePoint
from ...model.base.errors import Place, Problem, TraceFormatError
from ...model.plan.open_questions import QUESTIONS
from ...model.plan.system_plan import SystemPlan
from ...model.plan.termination import BY_NAME
from ...model.trace.codec import write_whole
from ...model.trace.events import Assumption

FORMAT_VERSION = 1

MAX_FILE_BYTES = 32 << 20
"""No run that ends within the kernel's bound of events needs more."""


class Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that determines a run.

    Attributes:
        plan: The system and its run.
        assumptions: What was assumed when the scenario was resolved.
        chosen: How the choices were made, in words.
        choices: Every answer, in order.
    """

    plan: SystemPlan
    assumptions: tuple[Assumption, ...]
    chosen: str
    choices: tuple[ChoicePoint, ...]

    def identity(self) -> str:
        """Return the SHA-256 of the recording, in hexadecimal."""
        return hashlib.sha256(msgspec.json.encode((FORMAT_VERSION, self))).hexdigest()


def same_system(one: SystemPlan, other: SystemPlan) -> bool:
    """Return whether two plans are the same except for their names."""
    named = {"name": "", "description": ""}
    return msgspec.structs.replace(one, **named) == msgspec.structs.replace(other, **named)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quiesce_replay: int
    sha256: str
    recording: Recording


class _Head(msgspec.Struct, frozen=True):
    quiesce_replay: int


def encode(recording: Recording) -> bytes:
    """Return the recording as the bytes of a replay file."""
    file = _File(FORMAT_VERSION, recording.identity(), recording)
    return msgspec.json.encode(file) + b"\n"


def decode(data: bytes, file: str = "<replay>") -> Recording:
    """Return the recording in the bytes of a replay file.

    Raises:
        TraceFormatError: If they are not a replay of this version, or were changed.
    """
    try:
        version = msgspec.json.decode(data, type=_Head).quiesce_replay
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(file, f"not a replay file: {error}") from None
    if version != FORMAT_VERSION:
        message = f"replay version {version}, but this quiesce reads {FORMAT_VERSION}"
        raise _unusable(file, message)
    try:
        content = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, AssertionError) as error:
        raise _unusable(file, f"the replay file is damaged: {error}") from None
    if content.recording.identity() != content.sha256:
        raise _unusable(file, "the replay file is damaged: its content does not match its SHA-256")
    _check_words(content.recording.plan, file)
    return content.recording


def write(recording: Recording, path: Path) -> None:
    """Write a replay file, whole or not at all."""
    write_whole(path, encode(recording))


def read(path: Path) -> Recording:
    """Return the recording in a file.

    Raises:
        TraceFormatError: If there is none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        raise _unusable(str(path), message, "check the path") from None
    if len(data) > MAX_FILE_BYTES:
        message = f"the file is larger than the {MAX_FILE_BYTES >> 20} MiB of any replay file"
        raise _unusable(str(path), message)
    if not data.strip():
        raise _unusable(str(path), "the file is empty")
    return decode(data, str(path))


def _check_words(plan: SystemPlan, file: str) -> None:
    """Raise an error for a plan with words that this release does not know."""
    if plan.name != Path(plan.name).name or plan.name in ("", "..") or "\0" in plan.name:
        raise _unusable(file, f"{plan.name[:40]!r} is no name for a scenario")
    answers = {question.label: question.answers for question in QUESTIONS}
    for label, answer in plan.pinned.items():
        if answer not in answers.get(label, ()):
            raise _unusable(file, f"{answer!r} is no answer to {label!r} in this release")
    for vm in plan.vms:
        for end in vm.ends:
            if end.cause not in BY_NAME:
                raise _unusable(file, f"{end.cause!r} is no termination cause in this release")


def _unusable(file: str, message: str, remedy: str = "record it again") -> TraceFormatError:
    return TraceFormatError([Problem(Place(file), message, remedy=remedy)])
