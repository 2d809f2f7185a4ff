"""What an evidence pack says, as plain data: one `evidence.json`, from which the page is made.

Nothing is decided here.  A property's word for a scenario is the most alarming of all that was
found about it, and its label is that of the strongest method which came to this word: a proof that
found nothing weighs more than a sample that did not, but no proof outweighs one violation.
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
        least_ns: The smallest; for the distance of a last write to its release this is the margin.
        greatest_ns: The greatest.
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
        severity: The worst of what follows.
    """

    cause: str
    from_ns: int
    to_ns: int
    severity: str


class Method(msgspec.Struct, frozen=True):
    """What one way of looking at a scenario came to.

    Attributes:
        command: How to do it again.
        judgement: The verdicts, with label, bounds and assumptions.
        files: What it left in the pack, relative to it.
    """

    command: str
    judgement: Judgement
    files: tuple[str, ...] = ()


class ScenarioEvidence(msgspec.Struct, frozen=True):
    """All that is known of one scenario.

    Attributes:
        name: Of the scenario.
        description: One sentence.
        inputs: Files that it was read from, in the pack, with the SHA-256 of each.
        replay_sha256: Identity of plan and choices of its plain run.
        expect: What the scenario itself expects of properties.
        methods: How it was looked at, the plain run first.
        distances: Exact bounds, if a proof was whole.
        windows: Unsafe instants of the end, if it was swept.
        why: What went wrong in the plain run, in one sentence; empty if nothing did.
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
    """Something that is demanded, and the properties that show it.

    Attributes:
        id: As the project calls it.
        text: What is demanded.
        source: By whom.
        properties: All of them must hold.
    """

    id: str
    text: str
    source: str
    properties: tuple[str, ...]


class MutantScore(msgspec.Struct, frozen=True):
    """Whether a known way to go wrong is noticed.

    Attributes:
        name: Of the mutant.
        killed_by: Properties that notice it; empty if none does.
        runs: In so many runs.
    """

    name: str
    killed_by: tuple[str, ...]
    runs: int


class Pack(msgspec.Struct, frozen=True):
    """An evidence pack.

    Attributes:
        quiesce_evidence: Version of this form.
        tools: quiesce, Python and the libraries that a verdict rests on, with their versions.
        requirements: What is to be shown.
        scenarios: By what.
        mutants: Whether the properties can notice anything at all; empty if that was left out.
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
    """What is known of a property in a scenario.

    Attributes:
        verdict: The most alarming word of all methods that put it to the test.
        label: Of the strongest method that came to it.
        antecedents: How often it was put to the test by that method; 0 for a vacuous one.
        reason: Why, in one sentence.
    """

    verdict: Word
    label: str
    antecedents: int
    reason: str


def cell(scenario: ScenarioEvidence, name: str) -> Cell | None:
    """Return what is known of a property in a scenario, or None if nobody asked."""
    found: list[tuple[Judgement, Verdict]] = [
        (method.judgement, verdict)
        for method in scenario.methods
        for verdict in method.judgement.verdicts
        if verdict.property == name
    ]
    if not found:
        return None
    # A proof that was cut short takes nothing from a method that came to its end.
    found = [each for each in found if each[1].verdict != "inconclusive"] or found
    word = _word_of(verdict.verdict for _, verdict in found)
    alike = [each for each in found if each[1].verdict == word]
    judgement, verdict = max(alike, key=lambda each: _strength(each[0].label))
    return Cell(word, judgement.label, verdict.antecedents, verdict.reason)


def _word_of(words: Iterable[Word]) -> Word:
    """Return the word for a property: one violation is enough, and one test that held."""
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
        word: `shown`, `not shown` (violated), `open` (inconclusive, or nobody asked) or
            `not exercised` (every property of it is vacuous).
        labels: Those of its properties, the weakest first.
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
