"""Colours, hatchings and shapes of the pictures, legible without colour as well.

The colour shows *for which epoch* something acts. The hatching shows the state that a bar stands
for, and the shape shows the kind of a mark. Names stand beside them. One colour marks violations
and nothing else.

Source: Okabe and Ito, "Color Universal Design", 2008: eight colours that people with every common
    form of colour blindness can distinguish.
"""

import msgspec

BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"

INK = "#1A1A1A"
FAINT_INK = "#6B6B6B"
HAIRLINE = "#D9D9D9"
PAPER = "#FFFFFF"
BAND = "#F6F6F6"
HOST_GREY = "#8C8C8C"

FORBIDDEN = VERMILLION
FORBIDDEN_TINT = "#FBE9DD"
WINDOW_TINT = "#FDF4EE"

_EPOCHS = (BLUE, GREEN, PURPLE, ORANGE, SKY_BLUE)
_EPOCH_HATCHES = ("", "---", "||", "++", "-----")


class BarStyle(msgspec.Struct, frozen=True):
    """How a bar is drawn.

    Attributes:
        fill: Share of the epoch's colour in its fill, from 0 (paper) to 1.
        hatch: Hatching in matplotlib's letters, or an empty string.
        height: Share of its track's height.
    """

    fill: float
    hatch: str = ""
    height: float = 0.72


BARS: dict[str, BarStyle] = {
    "runs": BarStyle(0.55),
    "ends": BarStyle(0.15, "////"),
    "callback": BarStyle(0.55),
    "step": BarStyle(0.55),
    "timed_out": BarStyle(0.15, "xxxx"),
    "request": BarStyle(0.55, height=0.5),
    "may_write": BarStyle(0.2, height=0.5),
    "in_flight": BarStyle(0.85, height=0.6),
    "mapped": BarStyle(0.3, height=0.6),
    "invalidating": BarStyle(0.15, "\\\\\\\\", height=0.6),
    "owned": BarStyle(0.3),
    "quarantined": BarStyle(0.1, "xxxx"),
    "attached": BarStyle(0.2, height=0.5),
    "asserted": BarStyle(0.7, height=0.6),
    "masked": BarStyle(0.1, "\\\\\\\\", height=0.6),
    "active": BarStyle(0.4, "////", height=0.6),
}
"""The style of each kind of bar."""

MARKS: dict[str, str] = {
    "landed": "|",
    "read": "<",
    "blocked": "X",
    "dropped": "o",
    "refused": "x",
    "stop_confirmed": "P",
    "crashed": "X",
    "ended": "s",
    "signal": "d",
    "exit": "s",
    "closed": "4",
    "joined": "s",
    "killed": "X",
    "taken": "v",
    "message": "^",
    "injected": "^",
    "handled": "_",
    "completed": "|",
    "requested": "1",
    "reset": "D",
    "records_read": "2",
    "records_lost": "X",
}
"""The shape of each kind of mark, in matplotlib's letters."""

MOMENT_LINES: dict[str, tuple[str, float, str]] = {
    "end": (INK, 1.0, ":"),
    "teardown": (INK, 1.8, "-"),
    "released": (INK, 1.0, "--"),
    "start": (FAINT_INK, 0.9, "-."),
    "no-return": (FORBIDDEN, 1.1, ":"),
}
"""Colour, width and dashes of the line at each kind of moment."""

NAMES: dict[str, str] = {
    "landed": "write landed",
    "read": "released memory read",
    "blocked": "access refused by the IOMMU",
    "dropped": "write given up by the device",
    "refused": "message without a route",
    "stop_confirmed": "seen to be quiet",
    "taken": "interrupt taken",
    "message": "message or edge",
    "injected": "interrupt injected",
    "completed": "request completed",
    "requested": "buffer given to the device",
    "records_read": "fault records read",
    "records_lost": "fault records read, others lost",
}
"""The meaning of marks that carry no name of their own."""


def epoch_colour(epoch: int) -> str:
    """Return the colour of an epoch; the host's own epoch 0 is grey."""
    return _EPOCHS[(epoch - 1) % len(_EPOCHS)] if epoch else HOST_GREY


def mixed(colour: str, share: float) -> str:
    """Return the opaque colour that `share` of a colour gives on paper."""
    assert 0 <= share <= 1, share
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * share):02X}" for part in parts)


def epoch_hatch(epoch: int) -> str:
    """Return the hatching that distinguishes an epoch from its neighbours without colour."""
    return _EPOCH_HATCHES[(epoch - 1) % len(_EPOCH_HATCHES)] if epoch else ""
