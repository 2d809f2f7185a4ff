"""Writes tables as TOML that people like to read.

Tables become sections, arrays of tables `[[...]]`; a table inside a plain array, and one that
holds nothing but plain values below `end`, stands in one line.

Source:
    TOML 1.0.0.
"""

import json
import re
from typing import Any

__all__ = ["toml_text"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_IN_LINE = {"after", "crash", "reset", "traits"}
"""Keys whose tables stand in one line; so do the tables of `steps`."""


def toml_text(table: dict[str, Any]) -> str:
    """Return the text of a document; strings, whole numbers, truth values, arrays and tables.

    Example:
        >>> print(toml_text({"a": 1, "b": {"c": ["x", {"d": True}]}}), end="")
        a = 1
        <BLANKLINE>
        [b]
        c = ["x", { d = true }]
    """
    lines = _section((), table)
    return "\n".join(lines).lstrip("\n") + "\n"


def _section(path: tuple[str, ...], table: dict[str, Any]) -> list[str]:
    """Return the lines of a table: its plain keys first, for what follows belongs to others."""
    plain = {key: value for key, value in table.items() if _is_plain(key, value)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        here = (*path, key)
        name = ".".join(map(_key, here))
        if key in plain:
            continue
        if isinstance(value, list):
            for item in value:
                lines += ["", f"[[{name}]]", *_section(here, item)]
            continue
        section = _section(here, value)
        # A table that only holds tables needs no heading of its own.
        heading = [f"[{name}]"] if not section or section[0] else []
        lines += ["", *heading, *section] if heading else section
    return lines


def _is_plain(key: str, value: Any) -> bool:
    if key in _IN_LINE:
        return True
    if isinstance(value, list):
        return key == "steps" or not value or not all(isinstance(item, dict) for item in value)
    return not isinstance(value, dict)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    """Return a basic string: JSON escapes what TOML must have escaped, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    assert isinstance(value, dict), value
    inside = ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items())
    return "{ " + inside + " }" if inside else "{}"
