"""Cutting `qvm` configuration text into words.

The text is a stream of words.  A newline is a blank like any other.  `#` outside quotes hides
the rest of its line.  Double quotes make one argument that may span lines.  A backslash
at the end of a line joins it to the next one, inside quotes and outside; inside quotes a
backslash also protects a double quote.  Quotes may begin in the middle of a word, as in
`>"|logger -t guest"`.

Source:
    QNX 8.0 hypervisor guide, config/qvm_syntax; QNX 7.0 hypervisor guide, config/components.
    The backslash rules follow files in use; the guide does not state them.
"""

import re
from collections.abc import Iterator

import msgspec

from ...model.base.errors import Place, Problem

_PIECE = re.compile(
    r"""(?P<newline>\n)
      | (?P<blank>[^\S\n]+|\\\r?\n)
      | (?P<comment>\#[^\n]*)
      | (?P<quoted>"[^"\\]*(?:\\.[^"\\]*)*")
      | (?P<unclosed>")
      | (?P<plain>(?:[^\s"\#\\]+|\\(?!\r?\n))+)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r'\\(\r?\n|")')


class Token(msgspec.Struct, frozen=True):
    """One word.

    Attributes:
        text: The word without its quotes.
        place: Where it begins.
        quoted: It begins with a quote, so it is never the name of an option.
        first: It is the first word on its line.
    """

    text: str
    place: Place
    quoted: bool = False
    first: bool = False


def words_of(text: str, file: str) -> Iterator[Token | Problem]:
    """Yield the words of a text, and a problem for a quote that is never closed.

    Behind an open quote all text is one last word.
    """
    line, line_start, position = 1, 0, 0
    seen_word_on = 0
    while position < len(text):
        match = _PIECE.match(text, position)
        assert match is not None, text[position : position + 20]
        kind = match.lastgroup
        if kind in ("plain", "quoted", "unclosed"):
            place = Place(file, line, position - line_start + 1)
            word, position, closed = _word(text, position)
            yield Token(word, place, quoted=kind != "plain", first=seen_word_on != line)
            if not closed:
                message = "the quote that opens here is never closed"
                yield Problem(place, message, word=word.split("\n")[0][:40])
                return
            seen_word_on = line
        else:
            position = match.end()
        newlines = text.count("\n", match.start(), position)
        if newlines:
            line += newlines
            line_start = text.rfind("\n", match.start(), position) + 1


def _word(text: str, position: int) -> tuple[str, int, bool]:
    """Return the word from `position`, where it ends, and whether its quotes are closed."""
    pieces: list[str] = []
    while position < len(text):
        match = _PIECE.match(text, position)
        assert match is not None, text[position : position + 20]
        if match.lastgroup == "unclosed":
            return "".join([*pieces, text[position : position + 200]]), len(text), False
        if match.lastgroup == "quoted":
            pieces.append(_ESCAPE.sub(_unescaped, match.group()[1:-1]))
        elif match.lastgroup == "plain":
            pieces.append(match.group())
        else:
            break
        position = match.end()
    return "".join(pieces), position, True


def _unescaped(match: re.Match[str]) -> str:
    return '"' if match.group(1) == '"' else ""
