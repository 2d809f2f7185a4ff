"""Compares parsed TOML with the types of a scenario, and reports everything that does not fit.

msgspec stops at the first misfit and knows no lines.  This walk goes over the same types and
collects a `Problem` with place, word and remedy for each.  What it lets pass, msgspec accepts.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import inspect as types

from ...model.base.clock import SECOND, TimeFormatError, parse_ns, parse_span
from ...model.base.errors import Place, Problem, nearest
from .toml_places import KeyPath, Places

_SHOWN_MAX = 40
_LISTED_MAX = 14
_TIME_LETTERS_MAX = 60
_TIME_MAX_NS = 24 * 3600 * SECOND


def problems_of(value: Any, expected: type, places: Places) -> list[Problem]:
    """Return what is wrong with a parsed document, in the order in which it stands.

    Args:
        value: What `tomllib` made of the text.
        expected: The msgspec type that it should have.
        places: The places of the same text.
    """
    walk = _SchemaWalk(places)
    walk.check(value, types.type_info(expected), ())
    return sorted(walk.problems, key=lambda problem: (problem.place.line, problem.place.column))


def unknown_word(
    place: Place, noun: str, word: str, allowed: Iterable[str], *, remedy: str = ""
) -> Problem:
    """Return the problem of a word that is none of the allowed ones, with the nearest one."""
    allowed = list(allowed)
    close = nearest(word, allowed)
    if close:
        remedy = f"did you mean {close!r}?"
    elif not remedy:
        remedy = f"write {one_of(allowed)}" if allowed else "remove it"
    return Problem(place, f"{noun} {shown(word)} is unknown", word, remedy)


def one_of(words: Iterable[str]) -> str:
    """Return words as a list in a sentence, cut where it would grow long."""
    words = list(words)
    if len(words) == 1:
        return words[0]
    if len(words) > _LISTED_MAX:
        return f"one of {', '.join(words[:_LISTED_MAX])}, ..."
    return f"{'one of ' if len(words) > 2 else ''}{', '.join(words[:-1])} or {words[-1]}"


def shown(word: str) -> str:
    """Return a word from a file in quotes, cut and free of control characters."""
    cut = word if len(word) <= _SHOWN_MAX else word[: _SHOWN_MAX - 3] + "..."
    return repr(cut)


class _SchemaWalk:
    def __init__(self, places: Places) -> None:
        self._places = places
        self.problems: list[Problem] = []

    def check(self, value: Any, expected: types.Type, path: KeyPath) -> None:
        """Note what is wrong with a value and all that it holds."""
        extra: dict[str, Any] = {}
        while isinstance(expected, types.Metadata):
            extra = (expected.extra or {}) | extra
            expected = expected.type
        if isinstance(expected, types.UnionType):
            self._union(value, expected, extra, path)
        elif isinstance(expected, types.StructType):
            self._struct(value, expected, path)
        elif isinstance(expected, types.DictType):
            self._dict(value, expected, extra, path)
        elif isinstance(expected, types.VarTupleType):
            self._array(value, expected, path)
        else:
            self._scalar(value, expected, extra, path)

    def _union(
        self, value: Any, expected: types.UnionType, extra: dict[str, Any], path: KeyPath
    ) -> None:
        options = [_bare(option) for option in expected.types]
        structs = [option for option in options if isinstance(option, types.StructType)]
        # A union has structs of one tag field, or one struct; so a table never fits two options.
        if isinstance(value, dict) and structs:
            self._tagged(value, structs, path)
            return
        for option, full in zip(options, expected.types, strict=True):
            if _fits(value, option):
                self.check(value, _with_extra(full, extra), path)
                return
        options = [option for option in options if not isinstance(option, types.NoneType)]
        self._misfit(value, " or ".join(dict.fromkeys(map(_noun, options))), path)

    def _tagged(
        self, value: dict[str, Any], structs: list[types.StructType], path: KeyPath
    ) -> None:
        """Check a table that may have one of several types, which a key selects."""
        field = structs[0].tag_field
        if field is None:
            self._struct(value, structs[0], path)
            return
        by_tag = {str(struct.tag): struct for struct in structs}
        tag = value.get(field)
        if tag is None:
            place = self._places.of_key(path)
            self._note(place, f"the key {field!r} is missing", field, f"say {one_of(by_tag)}")
        elif not isinstance(tag, str):
            self._misfit(tag, one_of(map(repr, by_tag)), (*path, field))
        elif tag not in by_tag:
            place = self._places.of_value((*path, field))
            self.problems.append(unknown_word(place, field, tag, by_tag))
        else:
            self._struct(value, by_tag[tag], path)

    def _struct(self, value: Any, expected: types.StructType, path: KeyPath) -> None:
        if not isinstance(value, dict):
            self._misfit(value, _noun(expected), path)
            return
        fields = {field.encode_name: field for field in expected.fields}
        allowed = [*([expected.tag_field] if expected.tag_field else []), *fields]
        for key, item in value.items():
            if key in fields:
                self.check(item, fields[key].type, (*path, key))
            elif key not in allowed:
                place = self._places.of_key((*path, key))
                self.problems.append(unknown_word(place, "key", key, allowed))
        for name, field in fields.items():
            if field.required and name not in value:
                place = self._places.of_key(path)
                self._note(place, f"the key {name!r} is missing", name, f"add {name} = ...")

    def _dict(
        self, value: Any, expected: types.DictType, extra: dict[str, Any], path: KeyPath
    ) -> None:
        if not isinstance(value, dict):
            self._misfit(value, _noun(expected), path)
            return
        for key, item in value.items():
            here = (*path, key)
            if key not in extra.get("keys", (key,)):
                place = self._places.of_key(here)
                self.problems.append(unknown_word(place, extra["noun"], key, extra["keys"]))
                continue
            # One problem for each value: its answer counts only if its type is right.
            before = len(self.problems)
            self.check(item, expected.value_type, here)
            answers = extra.get("answers", {}).get(key, (item,))
            if len(self.problems) == before and item not in answers:
                place = self._places.of_value(here)
                self.problems.append(unknown_word(place, f"answer to {key},", item, answers))

    def _array(self, value: Any, expected: types.VarTupleType, path: KeyPath) -> None:
        if not isinstance(value, list):
            self._misfit(value, _noun(expected), path)
            return
        for index, item in enumerate(value):
            self.check(item, expected.item_type, (*path, index))

    def _scalar(
        self, value: Any, expected: types.Type, extra: dict[str, Any], path: KeyPath
    ) -> None:
        place = self._places.of_value(path)
        if isinstance(expected, types.LiteralType):
            if value not in expected.values:
                words = [str(word) for word in expected.values]
                self.problems.append(unknown_word(place, str(path[-1]), str(value), words))
        elif not _fits(value, expected):
            self._misfit(value, _noun(expected), path)
        elif isinstance(expected, types.IntType):
            self._in_range(value, expected, place)
        elif value == "" and not extra.get("may_be_empty"):
            remedy = "remove the key to leave it out" if isinstance(path[-1], str) else "remove it"
            self._note(place, "an empty text says nothing", str(path[-1]), remedy)
        elif "one_of" in extra and value not in extra["one_of"]:
            self.problems.append(unknown_word(place, extra["noun"], value, extra["one_of"]))
        elif "reads" in extra:
            self._readable(value, extra["reads"], place)

    def _in_range(self, value: int, expected: types.IntType, place: Place) -> None:
        if expected.ge is not None and value < expected.ge:
            self._note(place, f"{value} is less than {expected.ge}", str(value))
        elif expected.le is not None and value > expected.le:
            self._note(place, f"{value} is more than {expected.le}", str(value))
        elif expected.multiple_of is not None and value % expected.multiple_of:
            message = f"{value} is not a multiple of {expected.multiple_of}"
            self._note(place, message, str(value))

    def _readable(self, value: str, reads: str, place: Place) -> None:
        """Check a text that is read as a time."""
        if reads == "instant" and value == "any":
            return
        if len(value) > _TIME_LETTERS_MAX:
            self._note(place, f"{shown(value)} is too long for a duration", value)
            return
        try:
            end_ns = parse_ns(value) if reads == "duration" else parse_span(value).hi_ns
            if end_ns > _TIME_MAX_NS:
                self._note(place, f"{value!r} is more than a day", value)
        except TimeFormatError as error:
            message, _, remedy = str(error).rpartition("; ")
            self._note(place, message, value, remedy)

    def _misfit(self, value: Any, wanted: str, path: KeyPath) -> None:
        place = self._places.of_value(path)
        found = "true or false" if isinstance(value, bool) else _FOUND.get(type(value), "a date")
        where = f"{str(path[-1])!r} is" if path and isinstance(path[-1], str) else "this is"
        message = f"{where} {found}, but must be {wanted}"
        example = _WRITE.get(wanted, "")
        word = str(value) if isinstance(value, str | int | float) else ""
        self._note(place, message, word, example)

    def _note(self, place: Place, message: str, word: str = "", remedy: str = "") -> None:
        self.problems.append(Problem(place, message, word, remedy))


_FOUND = {
    str: "a text",
    int: "a number",
    float: "a number with a fraction",
    dict: "a table",
    list: "an array",
}
_NOUNS: dict[type[types.Type], str] = {
    types.StrType: "a text",
    types.IntType: "a whole number",
    types.BoolType: "true or false",
    types.StructType: "a table",
    types.DictType: "a table",
    types.VarTupleType: "an array",
}
_WRITE = {
    "a text": "put it in quotes",
    "true or false": "write true or false without quotes",
}
_PYTHON: dict[type[types.Type], type] = {
    types.StrType: str,
    types.IntType: int,
    types.BoolType: bool,
    types.StructType: dict,
    types.DictType: dict,
    types.VarTupleType: list,
}


def _bare(expected: types.Type) -> types.Type:
    while isinstance(expected, types.Metadata):
        expected = expected.type
    return expected


def _with_extra(expected: types.Type, extra: dict[str, Any]) -> types.Type:
    return types.Metadata(expected, extra=extra) if extra else expected


def _fits(value: Any, expected: types.Type) -> bool:
    """Return whether a value is of the expected kind; its content is not checked."""
    if isinstance(expected, types.LiteralType):
        return isinstance(value, str)
    if isinstance(value, bool):
        return isinstance(expected, types.BoolType)
    wanted = _PYTHON.get(type(expected))
    return wanted is not None and isinstance(value, wanted)


def _noun(expected: types.Type) -> str:
    expected = _bare(expected)
    if isinstance(expected, types.LiteralType):
        return one_of(repr(word) for word in expected.values)
    return _NOUNS[type(expected)]
