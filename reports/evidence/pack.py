"""What an evidence pack says, as plain data: one `evidence.json`, from which the page is made.

The pack decides nothing. A property's word for a scenario is the most alarming word of all methods.
Its label is that of the strongest method with this word: a proof without a violation weighs more
than a sample without one. No proof outweighs a violation.
"""

from collections.abc import Iterable, Sequence

import msgspec

from ...properties.core.verdict import Judgement, Verdict, Word, most_alarming
from ...properties.registry import PROPERTIES

VERSION = 1

_STRENGTH = (
    *("run", "monitored", "sampled", "swept"),
    *("searched", "counterexample", "proved"),
)


class MeasuredDistance(msgspec.Struct, frozen=True):
    """An exact distance between two kinds of moment, over all runs of a scenario.

    Attributes:
        name: From what to what.
        least_ns: The smallest distance; from a last write to its release this is the margin.
        greatest_ns: The greatest distance.
    """

    name: str
    least_ns: int
    greatest_ns: int


class Window(msgspec.Struct, frozen=True):
    """Instants of the end, from and to, from which a violation is reached.

    Attributes:
        cause: The termination cause.
        from_ns: First instant.
        to_ns: Last instant.
        severity: The worst severity of these violations.
    """

    cause: str
    from_ns: int
    to_ns: int
    severity: str


class Method(msgspec.Struct, frozen=True):
    """The result of one way of examining a scenario: a run, a campaign, a sweep or a proof.

    Attributes:
        command: The command that repeats it.
        judgement: The verdicts, with label, bounds and assumptions.
        files: Its files in the pack, relative to the pack.
    """

    command: str
    judgement: Judgement
    files: tuple[str, ...] = ()


class ScenarioEvidence(msgspec.Struct, frozen=True):
    """Everything that the pack says of a scenario.

    Attributes:
        name: Name of the scenario.
        description: One sentence.
        inputs: The files that the scenario was read from, in the pack, with the SHA-256 of each.
        replay_sha256: Identity of plan and choices of its plain run.
        expect: The verdicts that the scenario itself expects.
        methods: The methods, the plain run first.
        distances: Exact bounds, if a proof was complete.
        windows: Unsafe instants of the end, from a sweep.
        why: Why the plain run went wrong, in one sentence; empty if it did not.
    """

    name: str
    description: str
    inputs: dict[str, str]
    replay_sha256: str
    expect: dict[str, str]
    methods: tuple[Method, ...]
    distances: tuple[MeasuredDistance, ...] = ()
    windows: tuple[Window, ...] = ()
    why: str = ""


class Requirement(msgspec.Struct, frozen=True):
    """A demand of the project, and the properties that show it.

    Attributes:
        id: The project's identifier.
        text: The demand.
        source: The document or person that demands it.
        properties: All of them must hold.
    """

    id: str
    text: str
    source: str
    properties: tuple[str, ...]


class MutantScore(msgspec.Struct, frozen=True):
    """Whether any property notices a known error.

    Attributes:
        name: Name of the mutant.
        killed_by: Properties that notice it; empty if none does.
        runs: How many runs were tried.
    """

    name: str
    killed_by: tuple[str, ...]
    runs: int


class Pack(msgspec.Struct, frozen=True):
    """An evidence pack.

    Attributes:
        quiesce_evidence: Version of this form.
        tools: quiesce, Python and the libraries that a verdict rests on, with their versions.
        requirements: What the pack is to show.
        scenarios: The scenarios that show it.
        mutants: Whether the properties notice known errors; empty if this was not tried.
    """

    quiesce_evidence: int
    tools: dict[str, str]
    requirements: tuple[Requirement, ...]
    scenarios: tuple[ScenarioEvidence, ...]
    mutants: tuple[MutantScore, ...] = ()

    @property
    def survivors(self) -> tuple[str, ...]:
        """The mutants that no property notices."""
        return tuple(each.name for each in self.mutants if not each.killed_by)


class Cell(msgspec.Struct, frozen=True):
    """The state of a property in a scenario.

    Attributes:
        verdict: The most alarming word of all methods that put it to the test.
        label: The label of the strongest method with this word.
        antecedents: How often that method put it to the test; 0 for a vacuous property.
        reason: The reason, in one sentence.
    """

    verdict: Word
    label: str
    antecedents: int
    reason: str


def cell(scenario: ScenarioEvidence, name: str) -> Cell | None:
    """Return the state of a property in a scenario, or None if no method judged it."""
    found: list[tuple[Judgement, Verdict]] = [
        (method.judgement, verdict)
        for method in scenario.methods
        for verdict in method.judgement.verdicts
        if verdict.property == name
    ]
    if not found:
        return None
    # Invariant: a proof that was cut short does not weaken a method that was complete.
    found = [each for each in found if each[1].verdict != "inconclusive"] or found
    word = _word_of(verdict.verdict for _, verdict in found)
    alike = [each for each in found if each[1].verdict == word]
    judgement, verdict = max(alike, key=lambda each: _strength(each[0].label))
    return Cell(word, judgement.label, verdict.antecedents, verdict.reason)


def _word_of(words: Iterable[Word]) -> Word:
    """Return the word for a property: one violation decides, and one method that held suffices."""
    given = set(words)
    return most_alarming(given) if "violated" in given or "holds" not in given else "holds"


def _strength(label: str) -> int:
    if "cut short" in label:
        return -1
    return _STRENGTH.index(label.partition("(")[0])


def requirements_of(names: Sequence[str]) -> tuple[Requirement, ...]:
    """Return a requirement for each property, for projects that bring none of their own."""
    return tuple(
        Requirement(name, PROPERTIES[name].claim, PROPERTIES[name].source, (name,))
        for name in names
    )


class Status(msgspec.Struct, frozen=True):
    """How a requirement stands in a scenario.

    Attributes:
        word: `shown`, `not shown` (violated), `open` (inconclusive, or not judged) or `not
            exercised` (every property of it is vacuous).
        labels: The labels of its properties, the weakest first.
    """

    word: str
    labels: tuple[str, ...]


def status(scenario: ScenarioEvidence, requirement: Requirement) -> Status:
    """Return how a requirement stands in a scenario."""
    cells = [cell(scenario, name) for name in requirement.properties]
    words = {"open" if each is None else each.verdict for each in cells}
    labels = sorted({each.label for each in cells if each is not None}, key=_strength)
    if "violated" in words:
        word = "not shown"
    elif words & {"open", "inconclusive"}:
        word = "open"
    elif "holds" in words:
        word = "shown"
    else:
        word = "not exercised"
    return Status(word, tuple(labels))
