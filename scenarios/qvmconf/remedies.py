"""What to write instead of a word that is no option in its place."""

from collections.abc import Mapping

from ...model.base.errors import nearest
from .options import BLOBS, CPU_OPTIONS, PASS_OPTIONS, TOP_LEVEL, OptionSpec
from .vdev_types import VDEV_TYPES

_VDEV_OPTION_OWNERS = {
    option: " or ".join([kind.name for kind in VDEV_TYPES.values() if option in kind.options][:3])
    for any_kind in VDEV_TYPES.values()
    for option in any_kind.options
}
"""For each option of a vdev type the types that have it, as a message says it."""

_WITHOUT_ARGUMENT = {
    "cpu": "write cpu once for each virtual CPU",
    "pass": "write pass loc address,length,attributes=host",
}
"""What to write where a number stands behind an option that takes none."""


def remedy_for(word: str, previous: str, specs: Mapping[str, OptionSpec]) -> str:
    """Return what to write instead of an unknown word; empty if nothing suggests itself.

    Args:
        word: As it was written.
        previous: The option before it; empty if there is none.
        specs: The options of the open context.
    """
    if word[:1].isdigit() and previous:
        joined = f"the arguments of {previous} are one word: join them with commas"
        return _WITHOUT_ARGUMENT.get(previous, joined)
    if word in BLOBS:
        return f"{word} stands before load or pass"
    if word in CPU_OPTIONS or word in PASS_OPTIONS:
        return f"{word} belongs to a {'cpu' if word in CPU_OPTIONS else 'pass'}: put it there"
    if word in _VDEV_OPTION_OWNERS:
        return f"{word} belongs to vdev {_VDEV_OPTION_OWNERS[word]}"
    key, equals, value = word.partition("=")
    if equals and key in {*specs, *TOP_LEVEL}:
        return f"write {key} {value}"
    return _nearest_option(word, specs)


def _nearest_option(word: str, specs: Mapping[str, OptionSpec]) -> str:
    """Return which option or vdev an unknown word may mean; empty if none is near.

    Args:
        word: As it was written.
        specs: The options of the open context.
    """
    if word in VDEV_TYPES:
        return f"write vdev {word}"
    close = nearest(word, [*specs, *TOP_LEVEL, *BLOBS, *_VDEV_OPTION_OWNERS])
    if not close:
        return ""
    known_here = close in specs or close in TOP_LEVEL or close in BLOBS
    owner = "" if known_here else f", which belongs to vdev {_VDEV_OPTION_OWNERS[close]}"
    return f"did you mean {close}{owner}?"
