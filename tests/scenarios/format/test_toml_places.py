"""Where things stand in a TOML text: the scanner against `tomllib`'s own reading of it."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.scenarios.format.toml_places import KeyPath, Places

AWKWARD = '''
# [not.a.table]
title = "a # is no comment, and \\"quotes\\" = nothing" # but this is
"quoted key" = 1
'literal.key' = 'C:\\'
a.b . "c d" = { x = 1, y = [ { z = "}" }, {} ] }
empty = []
text = """
[no.table]
key = "no key" \\""" still inside
""""
literal = \'\'\'
]]}} ''
\'\'\'
many = [
    "one", # ]
    [2, 3],
    """f,our]""",
]
when = 1979-05-27T07:32:00Z
float = 6.26e-3

[platform]
iommu = "smmuv3"

[[platform.device]]
kind = "nic"

[[platform.device]]
kind = "ahci"
[platform.device.extra]
deep = true
[[platform.device.part]]
n = 1
[[platform.device.part]]
n = 2

[x.y."z.w"]
v=1
'''


def paths_of(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    found = {path} if path else set()
    if isinstance(value, dict):
        for key, item in value.items():
            found |= paths_of(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            found |= paths_of(item, (*path, index))
    return found


def test_an_awkward_document_has_a_place_for_every_path_and_no_other() -> None:
    places = Places(AWKWARD, "a.toml")
    assert set(places.spots) == paths_of(tomllib.loads(AWKWARD))


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("title",), "title", '"a # is'),
        (("quoted key",), '"quoted key"', "1"),
        (("a", "b", "c d"), '"c d"', "{ x = 1"),
        (("a", "b", "c d", "y", 0, "z"), "z = ", '"}"'),
        (("many", 1, 1), "3]", "3]"),
        (("platform", "device", 1, "kind"), 'kind = "ahci"', '"ahci"'),
        (("platform", "device", 1, "part", 1, "n"), "n = 2", "2"),
        (("platform", "device", 1), '[[platform.device]]\nkind = "ahci"', "[[platform.device]]"),
        (("x", "y", "z.w", "v"), "v=1", "1"),
    ],
)
def test_a_place_points_at_the_first_letter(path: KeyPath, key: str, value: str) -> None:
    places = Places(AWKWARD, "a.toml")
    lines = AWKWARD.split("\n")
    for place, expected in ((places.of_key(path), key), (places.of_value(path), value)):
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        assert rest.startswith(expected)


def test_what_is_not_written_stands_where_it_would_belong() -> None:
    places = Places(AWKWARD, "a.toml")
    assert places.of_value(("platform", "device", 0, "name")) == places.of_key(
        ("platform", "device", 0)
    )
    assert str(places.of_key(("nowhere",))) == "a.toml"


keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6)
scalars = st.booleans() | st.integers(-99, 99) | keys | st.floats(allow_nan=False, width=16)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(keys, values, max_size=4), st.sampled_from(["inline", "tables"]))
def test_any_document_has_a_place_for_every_path_and_no_other(
    document: dict[str, Any], style: str
) -> None:
    if style == "inline":
        text = "\n".join(f"{_key(key)} = {_inline(item)}" for key, item in document.items())
    else:
        text = "\n".join(_tables(document, ()))
    parsed = tomllib.loads(text)
    assert parsed == document
    assert set(Places(text, "a.toml").spots) == paths_of(parsed)


def _key(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _key(value)
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    return repr(value)


def _tables(table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    """Write dictionaries as tables, and lists of dictionaries as arrays of tables."""
    lines, below = [], []
    for key, item in table.items():
        here = (*path, _key(key))
        if isinstance(item, dict):
            below += [f"[{'.'.join(here)}]", *_tables(item, here)]
        elif isinstance(item, list) and item and all(isinstance(e, dict) for e in item):
            for element in item:
                below += [f"[[{'.'.join(here)}]]", *_tables(element, here)]
        else:
            lines.append(f"{_key(key)} = {_inline(item)}")
    return lines + below
