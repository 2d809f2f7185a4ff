"""Draws the causal slice: components from top to bottom, time from left to right.

Every node has a column of its own in the order of time, so no two nodes overlap, however close
their instants are. The instants stand above the columns. networkx holds the graph and gives the
length of the critical path.
"""

import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING

from ..core.captions import letters_in, width_of
from ..core.words import EXACT, about_ns, printable, shortened
from ..draw.canvas import Line, Rect, Sign, Words
from ..draw.palette import (
    BAND,
    BLUE,
    FAINT_INK,
    FORBIDDEN,
    FORBIDDEN_TINT,
    GREEN,
    HAIRLINE,
    HOST_GREY,
    INK,
    PAPER,
    mixed,
)
from ..draw.picture import Picture
from ..explanation.causal_slice import CausalSlice, Link, Node

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = ["CausalPicture", "graph_of"]

_EDGE = 18.0
_NODE_WIDTH = 94.0
_COLUMN = 62.0
"""Neighbouring columns overlap a node's width only if they stand in different rows."""

_GAP, _SKIP_GAP = 12.0, 34.0
"""The gap between two nodes of a row, and that where a link says how much it leaves out."""

_NODE_LINES = 4
_LINE = 8.4
_SIZE = 6.6
_NODE_HEIGHT = _NODE_LINES * _LINE + 8
_ROW = _NODE_HEIGHT + 22
_LEFT_LETTERS = 24
_WIDTH_MIN = 640.0

_FILLS = {
    "violation": FORBIDDEN_TINT,
    "deed": mixed(BLUE, 0.16),
    "limit": mixed(HOST_GREY, 0.35),
    "teardown": mixed(HOST_GREY, 0.14),
    "stop": mixed(GREEN, 0.16),
}
_ROLES = {
    "violation": "the violation",
    "deed": "how it came about",
    "limit": "what it came after",
    "teardown": "what led to that",
    "stop": "what was done to stop it",
}
_STYLES = {"cause": "-", "order": "-", "late": "--"}


def graph_of(graph: CausalSlice) -> "DiGraph[int]":
    """Return the slice as a networkx graph: nodes by record, with the fields of `Node` and `Link`.

    The attribute `wait_ns` of an edge is the time between its ends.
    """
    import networkx as nx  # noqa: PLC0415 - heavy

    made: DiGraph[int] = nx.DiGraph()
    at_ns = {node.index: node.at_ns for node in graph.nodes}
    for node in graph.nodes:
        made.add_node(
            node.index,
            at_ns=node.at_ns,
            component=node.component,
            role=node.role,
            text=node.text,
            is_critical=node.is_critical,
        )
    for link in graph.links:
        made.add_edge(
            link.cause,
            link.effect,
            kind=link.kind,
            is_critical=link.is_critical,
            wait_ns=at_ns[link.effect] - at_ns[link.cause],
        )
    return made


class CausalPicture(Picture):
    """The picture of a slice, ready to be written as a file.

    Args:
        graph: What led to the violation.
        title: The title above the graph.

    Attributes:
        width: In points.
        height: In points.
    """

    def __init__(self, graph: CausalSlice, title: str) -> None:
        super().__init__(_WIDTH_MIN)
        self._graph = graph
        names = [shortened(each, _LEFT_LETTERS) for each in graph.components]
        self._left = _EDGE + max(map(len, names), default=0) * 8.2 * 0.56 + 14
        self._xs = self._columns()
        last = max(self._xs.values(), default=0.0)
        self.width = max(last + _NODE_WIDTH / 2 + _EDGE, _WIDTH_MIN)
        y = self._title(title)
        self._top = y + 14
        rows = {name: at for at, name in enumerate(graph.components)}
        self._ys = {
            node.index: self._top + rows[node.component] * _ROW + _ROW / 2 for node in graph.nodes
        }
        bottom = self._top + len(rows) * _ROW
        self._rows(names, bottom)
        for link in graph.links:
            self._link(link)
        for node in graph.nodes:
            self._node(node)
        self.height = self._key(bottom + 14)

    def _columns(self) -> dict[int, float]:
        """Return where each node stands: in the order of time, and clear of others in its row."""
        xs: dict[int, float] = {}
        skips = {link.effect for link in self._graph.links if link.skipped}
        row_ends: dict[str, float] = {}
        x = self._left + _NODE_WIDTH / 2 - _COLUMN
        for node in self._graph.nodes:
            gap = _SKIP_GAP if node.index in skips else _GAP
            free = row_ends.get(node.component, 0.0) + _NODE_WIDTH / 2 + gap
            x = max(x + _COLUMN, free)
            xs[node.index] = x
            row_ends[node.component] = x + _NODE_WIDTH / 2
        return xs

    def _title(self, title: str) -> float:
        y = 20.0
        for line in textwrap.wrap(printable(title), letters_in(self.width - 2 * _EDGE, 11.5)):
            self._add(Words(_EDGE, y, line, 10.5, INK, bold=True))
            y += 14
        return y + self._write_path_time(y)

    def _write_path_time(self, y: float) -> float:
        """Write in a line how long the critical path took; return the room it needs."""
        graph = graph_of(self._graph)
        path = self._graph.critical
        took_ns = sum(graph.edges[pair]["wait_ns"] for pair in pairwise(path))
        text = f"critical path: {len(path)} events in {about_ns(took_ns, EXACT)}"
        if self._graph.late_by_ns is not None:
            text += f"; {about_ns(self._graph.late_by_ns, EXACT)} too late"
        self._add(Words(_EDGE, y, text, 8.2, FAINT_INK))
        return 12.0

    def _rows(self, names: list[str], bottom: float) -> None:
        for at, name in enumerate(names):
            top = self._top + at * _ROW
            if at % 2 == 0:
                rect = Rect(_EDGE - 6, top, self.width - _EDGE + 6, top + _ROW, BAND, depth=0)
                self._add(rect)
            self._add(Words(_EDGE, top + _ROW / 2, name, 8.2, bold=True))
        used, last_ns = -1e9, -1
        for node in self._graph.nodes:
            x, text = self._xs[node.index], about_ns(node.at_ns, EXACT)
            self._add(Line(((x, self._top), (x, bottom)), HAIRLINE, 0.5, ":", depth=1))
            if node.at_ns != last_ns and x - used > width_of(text, 6.6) + 4:
                self._add(Words(x, self._top - 6, text, 6.4, FAINT_INK, align="center"))
                used = x
            last_ns = node.at_ns

    def _node(self, node: Node) -> None:
        x, y = self._xs[node.index], self._ys[node.index]
        left, right = x - _NODE_WIDTH / 2, x + _NODE_WIDTH / 2
        top, low = y - _NODE_HEIGHT / 2, y + _NODE_HEIGHT / 2
        is_violation = node.role == "violation"
        edge = FORBIDDEN if is_violation else INK if node.is_critical else HOST_GREY
        border = 1.6 if node.is_critical else 0.6
        fill = _FILLS[node.role]
        self._add(Rect(left, top, right, low, fill, edge=edge, border=border, depth=5))
        time = about_ns(node.at_ns, EXACT)
        self._add(Words(left + 4, top + 7, time, 6.2, FAINT_INK, depth=8))
        room = letters_in(_NODE_WIDTH - 6, _SIZE)
        lines = textwrap.wrap(printable(node.text), room)
        if len(lines) > _NODE_LINES - 1:
            rest = " ".join(lines[_NODE_LINES - 2 :])
            lines = [*lines[: _NODE_LINES - 2], shortened(rest, room)]
        for at, line in enumerate(lines):
            ink = FORBIDDEN if is_violation else INK
            line_y = top + 7 + _LINE * (at + 1)
            word = Words(left + 4, line_y, line, _SIZE, ink, bold=is_violation, depth=8)
            self._add(word)

    def _link(self, link: Link) -> None:
        colour = FORBIDDEN if link.kind == "late" else INK if link.is_critical else HOST_GREY
        width = 2.2 if link.is_critical else 1.2 if link.kind == "late" else 0.9
        style = _STYLES.get(link.kind, ":")
        points = self._route(link)
        for start, end in pairwise(points):
            self._add(Line((start, end), colour, width, style, depth=4))
        (_, near_y), (end_x, end_y) = points[-2:]
        shape = ">" if near_y == end_y else "v" if end_y > near_y else "^"
        self._add(Sign(end_x, end_y, shape, colour, 4.5, colour, depth=6))
        self._name_link(link, points)

    def _route(self, link: Link) -> tuple[tuple[float, float], ...]:
        """Return the corners of a link: straight, or above its row if a node stands between."""
        x1, y1 = self._xs[link.cause], self._ys[link.cause]
        x2, y2 = self._xs[link.effect], self._ys[link.effect]
        half, tall = _NODE_WIDTH / 2, _NODE_HEIGHT / 2
        if y1 == y2:
            between = [
                index for index, x in self._xs.items() if self._ys[index] == y1 and x1 < x < x2
            ]
            if not between and link.kind != "late":
                return (x1 + half, y1), (x2 - half, y2)
            above = y1 - tall - 6
            return (x1, y1 - tall), (x1, above), (x2, above), (x2, y2 - tall)
        down = 1 if y2 > y1 else -1
        end = (x2 - half * 0.6, y2 - down * tall)
        if x2 - x1 > 2 * half:
            return (x1 + half, y1), end
        return (x1 + half * 0.6, y1 + down * tall), end

    def _name_link(self, link: Link, points: tuple[tuple[float, float], ...]) -> None:
        if link.kind == "late" and self._graph.late_by_ns is not None:
            text, ink = f"{about_ns(self._graph.late_by_ns, EXACT)} too late", FORBIDDEN
        elif link.skipped:
            text, ink = f"{link.skipped} more", FAINT_INK
        elif link.kind in {"buffer", "pending", "open"}:
            text, ink = (
                {"buffer": "same buffer", "pending": "left pending"}.get(
                    link.kind, "might still write"
                ),
                FAINT_INK,
            )
        else:
            return
        middle = len(points) // 2
        (x1, y1), (x2, y2) = points[middle - 1], points[middle]
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        bold = link.kind == "late"
        self._add(
            Words(
                x,
                y - (4 if len(points) == 2 else 0),
                text,
                6.4,
                ink,
                align="center",
                bold=bold,
                ground=PAPER,
                depth=9,
            )
        )

    def _key(self, y: float) -> float:
        present = {node.role for node in self._graph.nodes}
        x = _EDGE
        for role, words in _ROLES.items():
            if role not in present:
                continue
            edge = FORBIDDEN if role == "violation" else HOST_GREY
            box = Rect(x, y - 4, x + 12, y + 4, _FILLS[role], edge=edge, border=0.7)
            self._add(box, Words(x + 16, y, words, 7, FAINT_INK))
            x += width_of(words, 7) + 32
        self._add(Line(((x, y), (x + 16, y)), INK, 2.2))
        self._add(Words(x + 20, y, "critical path", 7, FAINT_INK))
        return y + 14
