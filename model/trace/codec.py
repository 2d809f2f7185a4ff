"""Traces as files: JSON lines, one header and then one record a line, without loss.

The first line names the format and its version.  Fields stand in a fixed order, so equal
traces are equal bytes.  Files are written under a temporary name and then renamed, so a
file that is there is whole.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from ..base.errors import Place, Problem, TraceFormatError
from .events import SCHEMA_VERSION, Header, Record, Trace


class _FirstLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quiesce_trace: int
    header: Header


class _Cause(msgspec.Struct, frozen=True, gc=False):
    cause: int


_encoder = msgspec.json.Encoder()
_first_decoder = msgspec.json.Decoder(_FirstLine)
_record_decoder = msgspec.json.Decoder(Record)
_cause_decoder = msgspec.json.Decoder(_Cause)


def encode(trace: Trace) -> bytes:
    """Return the trace as the bytes of a trace file."""
    first = _encoder.encode(_FirstLine(SCHEMA_VERSION, trace.header))
    return first + b"\n" + _encoder.encode_lines(trace.records)


def decode(data: bytes, file: str = "<trace>") -> Trace:
    """Return the trace that the bytes of a trace file mean.

    Raises:
        TraceFormatError: If the bytes are not a trace of this version, a record is damaged, or a
            record's cause does not lie before it.
    """
    lines = data.split(b"\n")
    if lines[-1]:
        raise _damaged(file, len(lines), "the last line is cut off")
    del lines[-1]
    header = _decode_header(lines[0] if lines else b"", file)
    return Trace(header, tuple(_records_of(lines[1:], file)))


def _records_of(lines: Iterable[bytes], file: str) -> Iterator[Record]:
    """Yield the records in the lines behind the first."""
    # Invariant of a trace: times never fall, and a cause is an earlier record or `NO_CAUSE`.
    latest_ns = -(1 << 63)
    for index, line in enumerate(lines):
        try:
            record = _record_decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _damaged(file, index + 2, f"not a record: {error}") from None
        if not -1 <= record.cause < index:
            raise _damaged(file, index + 2, f"cause {record.cause} is not an earlier record")
        if record.at_ns < latest_ns:
            raise _damaged(file, index + 2, "time runs backwards")
        latest_ns = record.at_ns
        yield record


class TraceFile:
    """A trace that stays in its file: read as often as wanted, never held in memory.

    Args:
        path: A trace file.

    Attributes:
        header: The header of the trace.

    Raises:
        TraceFormatError: If the file is no trace.  A damaged record raises when it is reached.
        OSError: If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.header = _decode_header(file.readline().rstrip(b"\n"), str(path))

    @property
    def records(self) -> Iterator[Record]:
        """The records from the first on; each use reads the file again."""
        with self.path.open("rb") as file:
            file.readline()
            yield from _records_of(file, str(self.path))
            self._check_end(file)

    @property
    def causes(self) -> Iterator[int]:
        """The cause of each record; faster than reading the records."""
        decode_cause = _cause_decoder.decode
        with self.path.open("rb") as file:
            file.readline()
            number = 1
            try:
                for line in file:
                    number += 1
                    yield decode_cause(line).cause
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise _damaged(str(self.path), number, f"not a record: {error}") from None
            self._check_end(file)

    def _check_end(self, file: BinaryIO) -> None:
        """Check that the last line is whole: a record can be cut off behind its last brace."""
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.seek(0)
            last = sum(1 for _ in file)
            raise _damaged(str(self.path), last, "the last line is cut off")


def _decode_header(line: bytes, file: str) -> Header:
    try:
        first = _first_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(file, 1, f"not the first line of a quiesce trace: {error}") from None
    if first.quiesce_trace != SCHEMA_VERSION:
        message = f"trace version {first.quiesce_trace}, but this quiesce reads {SCHEMA_VERSION}"
        raise _damaged(file, 1, message)
    return first.header


def _damaged(file: str, line: int, message: str) -> TraceFormatError:
    return TraceFormatError([Problem(Place(file, line), message, remedy="record it again")])


def write(trace: Trace, path: Path) -> None:
    """Write the trace to a file, whole or not at all."""
    write_whole(path, encode(trace))


def read(path: Path) -> Trace:
    """Return the trace in a file.

    Raises:
        TraceFormatError: If it is not one; see `decode`.
        OSError: If it cannot be read.
    """
    return decode(path.read_bytes(), str(path))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it, so that no reader finds half of it."""
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write it piece by piece; it gets its name when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(temporary, 0o644)  # noqa: PTH101
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
