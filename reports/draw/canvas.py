"""Draws shapes on paper measured in points; thousands of them need few matplotlib artists.

The module uses matplotlib's object interface only, without pyplot and without a backend for the
process. It imports matplotlib when it makes a picture, not before. Equal drawings give equal bytes.
"""

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ..core.words import printable
from .fonts import families_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PNG_DPI = 144
"""Dots per inch of a PNG: two for each point."""

_POINTS_PER_INCH = 72

_LACKING = "letters drawn as boxes are in no font of this machine; the SVG file has them"

_STROKES = "|_1234+x"
"""Shapes that are lines and have no edge of their own."""


class Rect(msgspec.Struct, frozen=True, gc=False):
    """A filled rectangle; `edge` is the colour of its hatching and of its border, if any."""

    left: float
    top: float
    right: float
    bottom: float
    fill: str
    hatch: str = ""
    edge: str = ""
    border: float = 0.0
    depth: int = 2


class Line(msgspec.Struct, frozen=True):
    """A line through points; `style` is matplotlib's, such as `-` or `:`."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 0.8
    style: str = "-"
    depth: int = 4


class Sign(msgspec.Struct, frozen=True, gc=False):
    """A mark of a shape in matplotlib's letters, `size` points across."""

    x: float
    y: float
    shape: str
    colour: str
    size: float = 6.0
    edge: str = ""
    depth: int = 5


class Words(msgspec.Struct, frozen=True):
    """A line of text; `align` says which end of it stands at `x`, `y` is its middle."""

    x: float
    y: float
    text: str
    size: float = 7.0
    colour: str = "#1A1A1A"
    align: str = "left"
    bold: bool = False
    ground: str = ""
    depth: int = 7


Shape = Rect | Line | Sign | Words


def svg(shapes: Sequence[Shape], width: float, height: float) -> bytes:
    """Return the drawing as an SVG file whose text is text; sizes are in points."""
    return _file(shapes, width, height, "svg", {"Date": None, "Creator": "quiesce"})


def png(shapes: Sequence[Shape], width: float, height: float) -> bytes:
    """Return the drawing as a PNG file of twice as many dots as it has points."""
    return _file(shapes, width, height, "png", {"Software": "quiesce"})


def _file(
    shapes: Sequence[Shape],
    width: float,
    height: float,
    format_: str,
    metadata: dict[str, str | None],
) -> bytes:
    import matplotlib as mpl  # noqa: PLC0415

    data = io.BytesIO()
    texts = [printable(shape.text) for shape in shapes if isinstance(shape, Words)]
    families, is_lacking = families_for(texts)
    if is_lacking and format_ == "png":
        shapes = [*shapes, Words(width - 6, height - 6, _LACKING, 6, "#6B6B6B", align="right")]
    settings = mpl.rc_context(
        {
            "svg.hashsalt": "quiesce",
            "svg.fonttype": "none",
            "font.family": families,
            "hatch.linewidth": 0.5,
        }
    )
    with settings, warnings.catch_warnings():
        # A font may lack the letters of a name: they are drawn as boxes, and the picture says so.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = _figure(shapes, width, height)
        figure.savefig(data, format=format_, dpi=PNG_DPI, metadata=metadata)
    return data.getvalue()


def _figure(shapes: Sequence[Shape], width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width / _POINTS_PER_INCH, height / _POINTS_PER_INCH))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    _add_rects(axes, [shape for shape in shapes if isinstance(shape, Rect)])
    _add_lines(axes, [shape for shape in shapes if isinstance(shape, Line)])
    _add_signs(axes, [shape for shape in shapes if isinstance(shape, Sign)])
    _add_words(axes, [shape for shape in shapes if isinstance(shape, Words)])
    return figure


def _add_rects(axes: "Axes", rects: list[Rect]) -> None:
    from matplotlib.collections import PolyCollection  # noqa: PLC0415

    groups: dict[tuple[int, str, str, float], list[Rect]] = {}
    for rect in rects:
        edge = rect.edge if rect.hatch or rect.border else ""
        groups.setdefault((rect.depth, rect.hatch, edge, rect.border), []).append(rect)
    for (depth, hatch, edge, border), group in groups.items():
        corners = [
            [(r.left, r.top), (r.right, r.top), (r.right, r.bottom), (r.left, r.bottom)]
            for r in group
        ]
        collection = PolyCollection(
            corners,
            facecolors=[rect.fill for rect in group],
            edgecolors=edge or "none",
            linewidths=border,
            hatch=hatch or None,
            zorder=depth,
        )
        axes.add_collection(collection, autolim=False)


def _add_lines(axes: "Axes", lines: list[Line]) -> None:
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    groups: dict[tuple[int, str, float, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.depth, line.colour, line.width, line.style), []).append(line)
    for (depth, colour, width, style), group in groups.items():
        points = [line.points for line in group]
        collection = LineCollection(
            points, colors=colour, linewidths=width, linestyles=style, zorder=depth
        )
        axes.add_collection(collection, autolim=False)


def _add_signs(axes: "Axes", signs: list[Sign]) -> None:
    groups: dict[tuple[int, str, str, float, str], list[Sign]] = {}
    for sign in signs:
        key = (sign.depth, sign.shape, sign.colour, sign.size, sign.edge)
        groups.setdefault(key, []).append(sign)
    for (depth, shape, colour, size, edge), group in groups.items():
        axes.scatter(
            [sign.x for sign in group],
            [sign.y for sign in group],
            s=size * size,
            c=colour,
            marker=shape,
            edgecolors=edge if edge and shape not in _STROKES else None,
            linewidths=1.0 if shape in _STROKES else 0.7,
            zorder=depth,
            clip_on=False,
        )


def _add_words(axes: "Axes", words: list[Words]) -> None:
    for word in words:
        axes.text(
            word.x,
            word.y,
            printable(word.text),
            fontsize=word.size,
            color=word.colour,
            ha=word.align,
            va="center_baseline",
            fontweight="bold" if word.bold else "normal",
            bbox={"facecolor": word.ground, "edgecolor": "none", "pad": 1.0}
            if word.ground
            else None,
            zorder=word.depth,
            parse_math=False,
        )
