"""The causal slice in the languages of other tools: Graphviz DOT and Mermaid.

The programs that read both give some characters a meaning, and names come from users' files. Every
text is therefore escaped by the rules of its language, and identifiers are made from indices alone.
"""

from collections.abc import Callable

from ..core.words import EXACT, about_ns, printable
from ..draw.palette import FORBIDDEN, INK
from ..explanation.causal_slice import CausalSlice, Link, Node

__all__ = ["dot", "mermaid"]

_SKIPPED = "{} more"
_KINDS = {
    "buffer": "same buffer",
    "pending": "left pending",
    "order": "then",
    "open": "might still write",
}

_DOT_SHAPES = {
    "violation": f'style="filled,bold" fillcolor="#FBE9DD" color="{FORBIDDEN}"',
    "limit": f'style="filled,bold" fillcolor="#F0F0F0" color="{INK}"',
    "stop": 'style="rounded"',
}


def dot(graph: CausalSlice, title: str = "") -> str:
    """Return the slice as a Graphviz graph, one cluster for each component, time to the right.

    Source:
        Graphviz, "The DOT Language": quoted strings, in which a quote is escaped and a backslash
        begins an escape.
    """
    lines = ["digraph causes {", "  rankdir=LR;", '  node [shape=box fontname="sans-serif"];']
    if title:
        lines.append(f'  label="{_dot_text(title)}"; labelloc=t;')
    for number, component in enumerate(graph.components):
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f'    label="{_dot_text(component)}"; style=dotted;')
        here = (node for node in graph.nodes if node.component == component)
        lines += [f"    {_dot_node(node)}" for node in here]
        lines.append("  }")
    lines += [f"  {_dot_link(link, graph)}" for link in graph.links]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_node(node: Node) -> str:
    label = f"{_dot_text(about_ns(node.at_ns, EXACT))}\\n{_dot_text(node.text)}"
    shape = _DOT_SHAPES.get(node.role, "")
    wide = " penwidth=2" if node.is_critical else ""
    return f'n{node.index} [label="{label}" {shape}{wide}];'


def _dot_link(link: Link, graph: CausalSlice) -> str:
    words = _words(link, graph)
    label = f' label="{_dot_text(words)}"' if words else ""
    style = "bold" if link.is_critical else "solid" if link.kind == "cause" else "dashed"
    colour = f' color="{FORBIDDEN}" fontcolor="{FORBIDDEN}"' if link.kind == "late" else ""
    return f"n{link.cause} -> n{link.effect} [style={style}{label}{colour}];"


def _dot_text(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def mermaid(graph: CausalSlice) -> str:
    """Return the slice as a Mermaid flowchart, one subgraph for each component.

    Source:
        Mermaid, "Flowcharts": text in quotes, and entity codes for every character with a meaning.
    """
    lines = ["flowchart LR"]
    for number, component in enumerate(graph.components):
        lines.append(f'  subgraph c{number}["{_mermaid_text(component)}"]')
        for node in graph.nodes:
            if node.component == component:
                text = f"{about_ns(node.at_ns, EXACT)}: {node.text}"
                lines.append(f'    n{node.index}["{_mermaid_text(text)}"]')
        lines.append("  end")
    for link in graph.links:
        arrow = "==>" if link.is_critical else "-->" if link.kind == "cause" else "-.->"
        words = _words(link, graph)
        label = f'|"{_mermaid_text(words)}"|' if words else ""
        lines.append(f"  n{link.cause} {arrow}{label} n{link.effect}")
    lines.append(f"  classDef violation fill:#FBE9DD,stroke:{FORBIDDEN},stroke-width:3px")
    lines.append(f"  classDef limit fill:#F0F0F0,stroke:{INK},stroke-width:2px")
    for role in ("violation", "limit"):
        names = ",".join(f"n{node.index}" for node in graph.nodes if node.role == role)
        if names:
            lines.append(f"  class {names} {role}")
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    is_plain: Callable[[str], bool] = lambda one: one.isalnum() or one in " .,:()/_+-="  # noqa: E731
    return "".join(one if is_plain(one) else f"#{ord(one)};" for one in printable(text))


def _words(link: Link, graph: CausalSlice) -> str:
    if link.kind == "late":
        return f"{about_ns(graph.late_by_ns or 0, EXACT)} too late"
    if link.skipped:
        return _SKIPPED.format(link.skipped)
    return _KINDS.get(link.kind, "")
