"""Traces as files: JSON lines, one header and then one record a line, without loss.

The first line names the format and its version.  Fields stand in a fixed order, so equal
traces are equal bytes.  Files are written under a temporary name and then renamed, so a
file that is there is whole.
"""

import os
import tempfile
from pathlib import Path

import msgspec

from .errors import Place, Problem, TraceFormatError
from .trace import SCHEMA_VERSION, Header, Record, Trace


class _FirstLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quiesce_trace: int
    header: Header


_encoder = msgspec.json.Encoder()
_first_decoder = msgspec.json.Decoder(_FirstLine)
_record_decoder = msgspec.json.Decoder(Record)


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
    records: list[Record] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            record = _record_decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _damaged(file, number, f"not a record: {error}") from None
        if not -1 <= record.cause < len(records):
            raise _damaged(file, number, f"cause {record.cause} is not an earlier record")
        if records and record.at_ns < records[-1].at_ns:
            raise _damaged(file, number, "time runs backwards")
        records.append(record)
    return Trace(header, tuple(records))


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
    return TraceFormatError([Problem(Place(file, line), message, remedy="record it anew")])


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
    """Write a file under a temporary name beside it and rename it, so that it is never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)  # noqa: PTH101
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
