"""The base of all pictures: it collects shapes and writes them as an SVG or a PNG file."""

from ..core.words import shortened
from .canvas import Shape, Words, png, svg
from .palette import FAINT_INK, INK

TITLE_LETTERS = 90
"""Letters of a title that fit on a picture 900 points wide."""


class Picture:
    """A picture that is ready to be written as a file; equal pictures give equal bytes.

    Subclasses add their shapes in `__init__`, and set `height` when they know it.

    Args:
        width: In points.
        height: In points.

    Attributes:
        width: In points.
        height: In points.
    """

    def __init__(self, width: float, height: float = 0.0) -> None:
        self.width = width
        self.height = height
        self._shapes: list[Shape] = []

    def svg(self) -> bytes:
        """Return the picture as an SVG file."""
        return svg(self._shapes, self.width, self.height)

    def png(self) -> bytes:
        """Return the picture as a PNG file, two dots to the point."""
        return png(self._shapes, self.width, self.height)

    def _add(self, *shapes: Shape) -> None:
        # Invariant: shapes of equal depth are drawn in the order in which they are added.
        self._shapes += shapes

    def _add_heading(
        self, left: float, title: str, label: str, letters: int = TITLE_LETTERS
    ) -> None:
        """Write the title of a picture, and below it the label of its judgement."""
        self._add(
            Words(left, 20, shortened(title, letters), 13, INK, bold=True),
            Words(left, 38, f"label: {label}", 9, FAINT_INK),
        )

    def _add_centred(self, left: float, right: float, y: float, text: str, size: float) -> None:
        """Write a text in the middle between two places, as the name of an axis is written."""
        self._add(Words((left + right) / 2, y, text, size, INK, align="center"))
