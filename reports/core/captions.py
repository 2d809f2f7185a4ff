"""Finds room for captions beside each other, on few lines and without overlap."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .words import shortened

_WIDTH_OF_A_LETTER = 0.54
"""Of DejaVu Sans, on average, as a share of its size."""

_SHIFT_MAX = 60.0
"""How far, in points, a caption may move left of what it names so that it need not be cut."""

_EPSILON = 1e-6

_SHORTEST = 7
"""The fewest letters that a caption may be cut to."""


class Caption(NamedTuple):
    """Words that want to begin at a place.

    Attributes:
        x: The place, in points.
        text: The words.
        rank: Captions of lower rank are placed first.
        colour: Of the words.
    """

    x: float
    text: str
    rank: int = 1
    colour: str = "#1A1A1A"


class Placed(NamedTuple):
    """A caption that has found room, on a line counted from 0 at the bottom."""

    caption: Caption
    line: int
    x: float
    text: str


def width_of(text: str, size: float) -> float:
    """Return about how wide the text is, in points."""
    return len(text) * size * _WIDTH_OF_A_LETTER


def letters_in(width: float, size: float) -> int:
    """Return how many letters of that size fit into a width in points."""
    return max(int(width / (size * _WIDTH_OF_A_LETTER)), 0)


def placed(
    captions: Iterable[Caption],
    *,
    left: float,
    right: float,
    size: float,
    lines: int,
    blocked: Sequence[tuple[float, float]] = (),
) -> list[Placed]:
    """Return the captions that find room between `left` and `right` on so many lines.

    A caption moves left at the end of the paper, and a little before a `blocked` stretch, which has
    no words. It goes one line up if its place is taken. It is cut if no line is free, and left out
    if too little of it would remain.
    """
    taken = [list(blocked) for _ in range(lines)]
    done: list[Placed] = []
    for caption in sorted(captions, key=lambda caption: (caption.rank, caption.x)):
        wanted = width_of(caption.text, size)
        end = min((begin for begin, _ in blocked if begin > caption.x), default=right)
        x = max(min(caption.x, max(end - wanted, caption.x - _SHIFT_MAX)), left)
        x = max(min(x, right - wanted), left)
        rooms = [_room(line, x, right) for line in taken]
        line = next((at for at, room in enumerate(rooms) if room > wanted - _EPSILON), None)
        text = caption.text
        if line is None:
            line = max(range(lines), key=lambda at: rooms[at])
            letters = letters_in(rooms[line], size)
            if letters < _SHORTEST:
                continue
            text = shortened(caption.text, letters)
        taken[line].append((x, x + width_of(text, size) + size))
        done.append(Placed(caption, line, x, text))
    return done


def _room(line: list[tuple[float, float]], x: float, right: float) -> float:
    end = right
    for begin, stop in line:
        if begin <= x < stop:
            return 0
        if begin > x:
            end = min(end, begin)
    return end - x
