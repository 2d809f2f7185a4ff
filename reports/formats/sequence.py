"""Sequence diagrams in Mermaid: which component acted on which, for documents and reviews.

For a run with a violation the diagram shows what led to it and nothing else (`causal_slice`); for
any other run it shows the teardown. Components are participants, in order of appearance. An arrow
leads from cause to effect; it is dashed if the trace shows only the order of the two. What happens
after the teardown point has a shaded ground.

Source:
    Mermaid documentation, sequence diagrams: participants, messages, notes, rect, entity codes.
"""

from collections.abc import Iterable, Iterator

from ...model.trace import events
from ...model.trace.events import NO_CAUSE, Trace
from ...properties.core.verdict import HEADLINES, Judgement
from ..core.event_words import in_words
from ..core.words import about_ns, printable
from ..explanation.causal_slice import CausalSlice, Link, Node, slice_of

EVENTS_MAX = 80
"""How many events of a teardown the diagram shows, the last ones; more would be illegible."""

_SHADE = "rect rgba(230, 97, 0, 0.12)"

_TEARDOWN = (
    events.GuestEnded,
    events.SignalSent,
    events.TerminationBegun,
    events.CallbackBegun,
    events.CallbackEnded,
    events.QuiesceStepBegun,
    events.QuiesceStepEnded,
    events.StopConfirmed,
    events.WorkerEnded,
    events.ConnectionClosed,
    events.IrqDetached,
    events.IommuUnmapped,
    events.IommuSynced,
    events.FramesReleased,
    events.FramesQuarantined,
    events.QvmExited,
    events.RestartRequested,
    events.RestartGivenUp,
)


def sequence(trace: Trace, judgement: Judgement) -> str:
    """Return the sequence diagram of a run as the text of a Mermaid file."""
    found = slice_of(trace, judgement) or _teardown(trace)
    names = {name: f"p{number}" for number, name in enumerate(found.components, 1)}
    lines = ["sequenceDiagram"]
    title = f"{judgement.scenario}: {HEADLINES[judgement.headline]} [{judgement.label}]"
    lines.append(f"    title {_plain(title)}")
    lines += [f"    participant {short} as {_plain(name)}" for name, short in names.items()]
    if not names:
        # Mermaid takes no diagram without a participant.
        lines += ["    participant p1 as the run", "    Note over p1: no teardown in this run"]
    lines += [f"    {line}" for line in _messages(found, names)]
    return "\n".join(lines) + "\n"


def _teardown(trace: Trace) -> CausalSlice:
    """Return the events of the teardowns of a run, linked by their nearest causes among them."""
    shown = [
        index for index, record in enumerate(trace.records) if isinstance(record.event, _TEARDOWN)
    ][-EVENTS_MAX:]
    nodes = []
    links = []
    for index in shown:
        record = trace.records[index]
        nodes.append(Node(index, record.at_ns, record.source, "teardown", in_words(record.event)))
        cause = next((each for each in trace.causes_of(index) if each in shown), NO_CAUSE)
        if cause != NO_CAUSE:
            links.append(Link(cause, index))
    return CausalSlice(tuple(nodes), tuple(links), ())


def _messages(found: CausalSlice, names: dict[str, str]) -> Iterator[str]:
    by_index = {node.index: node for node in found.nodes}
    is_shaded = False
    for node in found.nodes:
        link = _led_by(node, found.links, by_index)
        yield from _message(node, link, by_index, names)
        if node.role == "limit" and not is_shaded:
            is_shaded = True
            yield _SHADE
            yield f"Note over {names[node.component]}: from here on nothing may come for it"
    if is_shaded:
        yield "end"


def _led_by(node: Node, links: Iterable[Link], by_index: dict[int, Node]) -> Link | None:
    """Return the link that describes an event: the recorded cause if there is one."""
    here = [each for each in links if each.effect == node.index and each.cause in by_index]
    here.sort(key=lambda link: (link.kind != "cause", -link.cause))
    return here[0] if here else None


def _message(
    node: Node, link: Link | None, by_index: dict[int, Node], names: dict[str, str]
) -> Iterator[str]:
    to = names[node.component]
    text = _plain(f"{about_ns(node.at_ns)} {node.text}")
    if link is None:
        yield f"Note over {to}: {text}"
    else:
        arrow = "->>" if link.kind == "cause" else "-->>"
        yield f"{names[by_index[link.cause].component]}{arrow}{to}: {text}"
    if node.role == "violation":
        yield f"Note over {to}: VIOLATION"


def _plain(text: str) -> str:
    """Return a text in which no character has a meaning to Mermaid."""
    codes = {"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", "%": "#37;", "{": "#123;"}
    return "".join(codes.get(letter, letter) for letter in printable(text))
