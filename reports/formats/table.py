"""The table of formats, by the word that selects each on the command line."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, TextIO

from ...properties.core.verdict import Judgement
from .btf import write_btf
from .perfetto import write_perfetto
from .source import TraceSource, flags_of
from .vcd import write_vcd

WriteRun = Callable[[TraceSource, Judgement, BinaryIO], None]


class RunFormat(NamedTuple):
    """A format with one file for each run.

    Attributes:
        file: Name of the file.
        opens_in: Programs that open it.
        write: Writes it.
    """

    file: str
    opens_in: str
    write: WriteRun


def _vcd(source: TraceSource, judgement: Judgement, to: BinaryIO) -> None:
    with _text(to) as text:
        write_vcd(source, flags_of(judgement), text)


def _perfetto(source: TraceSource, judgement: Judgement, to: BinaryIO) -> None:
    write_perfetto(source, flags_of(judgement), to)


def _btf(source: TraceSource, judgement: Judgement, to: BinaryIO) -> None:
    with _text(to) as text:
        write_btf(source, flags_of(judgement), text)


@contextmanager
def _text(to: BinaryIO) -> Iterator[TextIO]:
    """Give a text file over a binary one, which stays open behind it."""
    text = io.TextIOWrapper(to, encoding="utf-8", newline="\n")
    try:
        yield text
    finally:
        text.flush()
        text.detach()


RUN_FORMATS: dict[str, RunFormat] = {
    "vcd": RunFormat("trace.vcd", "GTKWave, Surfer", _vcd),
    "perfetto": RunFormat("trace.perfetto.json", "Perfetto, Chrome tracing", _perfetto),
    "btf": RunFormat("trace.btf", "Trace Compass", _btf),
}
"""Formats of a run by their word."""
