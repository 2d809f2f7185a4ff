"""What the command line writes, and where: text for people, one JSON document for programs.

Colours appear on a terminal only and never with `NO_COLOR`.  Text is wrapped to the width of the
terminal, 40 columns included.
"""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import msgspec

from ....model.base.errors import InputError, Problem, QuiesceError

MAX_WIDTH = 100
MIN_WIDTH = 20

_PROSE_WIDTH = 30
"""Columns below which prose goes below its row."""

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}

_CONTROL = re.compile(r"(?!\x1b\[[0-9]{1,2}m)[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but for tabs and newlines, and but for those of `styled`."""

VERDICT_STYLES = {
    "holds": "green",
    "violated": "red",
    "vacuous": "yellow",
    "inconclusive": "yellow",
    "withheld": "yellow",
    "not exercised": "yellow",
}


def width() -> int:
    """Return the columns to write in."""
    return max(MIN_WIDTH, min(shutil.get_terminal_size((80, 24)).columns, MAX_WIDTH))


def show_progress(text: str) -> None:
    """Show on a terminal, in one line, how far something has come; an empty text clears it."""
    if sys.stderr.isatty():
        # The last column stays free: some terminals begin a new line with it.
        sys.stderr.write(f"\r\x1b[K{text[: width() - 1]}")
        sys.stderr.flush()


def has_colour(stream: TextIO) -> bool:
    """Return whether colours may be written to a stream."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return the text in a style, if the stream (standard output) shows styles."""
    if not has_colour(stream or sys.stdout):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def say(text: str = "", *, indent: int = 0, hang: int = 0) -> None:
    """Write text to standard output, wrapped.

    Args:
        text: One paragraph.
        indent: Columns before its first line.
        hang: Further columns before the other lines.
    """
    sys.stdout.write("\n".join(wrapped(text, indent=indent, hang=hang)) + "\n")


def wrapped(text: str, *, indent: int = 0, hang: int = 0) -> list[str]:
    """Return the lines of a paragraph; see `say`."""
    lines = textwrap.wrap(
        printable(text),
        width(),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hang),
        break_on_hyphens=False,
        break_long_words=False,
    )
    return lines or [""]


def say_rows(rows: Iterable[Sequence[str]], styles: dict[str, str] | None = None) -> None:
    """Write rows of cells: in columns if they fit, or one below the other.

    Args:
        rows: The last cell of each is prose and is wrapped; all have the same number of cells.
        styles: The style of a cell, by its text.
    """
    rows = list(rows)
    styles = styles or {}
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    left = sum(widths) + 2 * len(widths)
    prose_width = width() - left
    in_columns = prose_width >= min(_PROSE_WIDTH, max(len(row[-1]) for row in rows))
    for row in rows:
        cells = [_painted(cell, styles) for cell in row[:-1]]
        if in_columns:
            padded = [
                cell + " " * (size - len(plain))
                for cell, plain, size in zip(cells, row, widths, strict=False)
            ]
            first, *rest = _lines(row[-1], prose_width)
            sys.stdout.write("  ".join([*padded, first]).rstrip() + "\n")
            for line in rest:
                sys.stdout.write(" " * left + line + "\n")
        else:
            sys.stdout.write("  ".join(cells) + "\n")
            say(row[-1], indent=4)


def printable(text: str) -> str:
    """Return the text with control characters as escapes; our own styles stay."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def say_json(document: Any) -> None:
    """Write one JSON document to standard output."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    sys.stdout.write(text + "\n")


def complain(error: QuiesceError, status: int, *, as_json: bool) -> None:
    """Write an error to standard error, and as a JSON document to standard output if asked."""
    lead = styled("error:", "red", sys.stderr)
    for line in str(error).split("\n"):
        sys.stderr.write(f"{lead} {printable(line)}\n")
    if as_json:
        problems = error.problems if isinstance(error, InputError) else ()
        say_error_json(type(error).__name__, str(error), status, problems)


def say_error_json(kind: str, message: str, status: int, problems: Iterable[Problem] = ()) -> None:
    """Write an error as a JSON document to standard output."""
    listed = [
        {
            "file": problem.place.file,
            "line": problem.place.line or None,
            "column": problem.place.column or None,
            "message": problem.message,
            "word": problem.word,
            "remedy": problem.remedy,
        }
        for problem in problems
    ]
    error = {"kind": kind, "message": message, "exit_status": status, "problems": listed}
    say_json({"error": error})


def _lines(text: str, columns: int) -> list[str]:
    lines = textwrap.wrap(printable(text), columns, break_on_hyphens=False, break_long_words=False)
    return lines or [""]


def _painted(cell: str, styles: dict[str, str]) -> str:
    return styled(cell, styles[cell]) if cell in styles else cell
