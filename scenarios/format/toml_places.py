"""Where each key and value of a TOML text stands.

`tomllib` returns values without their places, but error messages need a line.  This scanner goes
over a text that `tomllib` has accepted and notes the place of each key path.  It therefore checks
nothing itself and knows only where keys and values begin and end.

Source:
    TOML 1.0.0: keys, strings, arrays, inline tables, tables, arrays of tables.
"""

import re
from collections.abc import Iterator

import msgspec

from ...model.base.errors import Place

KeyPath = tuple[str | int, ...]
"""Keys and array indexes from the top of the document."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?'{3,5}(?!')|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[btnfr\"\\])")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class Spot(msgspec.Struct, frozen=True):
    """Offsets at which a key and its value begin; for an array element both are the same."""

    key: int
    value: int


class Places:
    """The places in one text.

    Args:
        text: TOML that `tomllib` accepts.
        file: Its name, for the places.
    """

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._text = text
        self.spots = _Scanner(text).scan()

    def of_key(self, path: KeyPath) -> Place:
        """Return where a key is written; for what is not written, what holds it."""
        return self._place(path, of_value=False)

    def of_value(self, path: KeyPath) -> Place:
        """Return where a value begins; for what is not written, what would hold it."""
        return self._place(path, of_value=True)

    def _place(self, path: KeyPath, *, of_value: bool) -> Place:
        spot = self.spots.get(path)
        if spot is None:
            return self._place(path[:-1], of_value=False) if path else Place(self.file)
        offset = spot.value if of_value else spot.key
        line = self._text.count("\n", 0, offset) + 1
        column = offset - (self._text.rfind("\n", 0, offset) + 1) + 1
        return Place(self.file, line, column)


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        # Invariant: between two items `_at` is at the first character that is not yet scanned.
        self._at = 0
        self._spots: dict[KeyPath, Spot] = {}
        # How many tables each array of tables has so far; the last one is open.
        self._array_lengths: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, Spot]:
        """Return the spot of each key path."""
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._spots

    def _header(self) -> KeyPath:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        keys = [key for key, _ in self._dotted_key()]
        self._at += 2 if is_array else 1
        path: KeyPath = ()
        # TOML 1.0.0: a key before the last may name an array of tables and means its last table.
        for key in keys[:-1]:
            path = self._element((*path, key))
            self._note(path, Spot(start, start))
        path = (*path, keys[-1])
        if is_array:
            count = self._array_lengths.get(path, 0)
            self._array_lengths[path] = count + 1
            self._note(path, Spot(start, start))
            path = (*path, count)
        self._note(path, Spot(start, start))
        return path

    def _element(self, path: KeyPath) -> KeyPath:
        """Return the table that a key inside a header means: of an array, its last element."""
        count = self._array_lengths.get(path)
        return path if count is None else (*path, count - 1)

    def _pair(self, table: KeyPath) -> None:
        path = table
        keys = list(self._dotted_key())
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        for key, start in keys:
            path = (*path, key)
            self._note(path, Spot(start, self._at))
        self._value(path)

    def _dotted_key(self) -> Iterator[tuple[str, int]]:
        """Yield each part of a key with its offset, and go behind it and its blanks."""
        while True:
            self._skip(_SPACE)
            start = self._at
            quoted = _STRING.match(self._text, start)
            if quoted:
                self._at = quoted.end()
                yield _unquoted(quoted.group()), start
            else:
                yield self._skip(_BARE_KEY), start
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return
            self._at += 1

    def _value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._skip(_STRING)
        elif first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        self._skip(_BLANK)
        index = 0
        # The text is valid TOML, so each loop ends at its bracket and never past the text.
        while self._text[self._at] != "]":
            self._note((*path, index), Spot(self._at, self._at))
            self._value((*path, index))
            index += 1
            self._skip_comma()
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        self._skip(_BLANK)
        while self._text[self._at] != "}":
            self._pair(path)
            self._skip_comma()
        self._at += 1

    def _skip_comma(self) -> None:
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
        self._skip(_BLANK)

    def _note(self, path: KeyPath, spot: Spot) -> None:
        # The first mention wins: a table that several headers extend stands at the first of them.
        self._spots.setdefault(path, spot)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, self._text[self._at : self._at + 20]
        self._at = match.end()
        return match.group()


def _unquoted(word: str) -> str:
    """Return the key that a quoted key means; keys have no multi-line strings."""
    if word[0] == "'":
        return word[1:-1]
    return _ESCAPE.sub(_unescaped, word[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    code = match.group(1)
    return chr(int(code[1:], 16)) if code[0] in "uU" else _ESCAPES[code]
