"""Gives what changed from one evidence pack to the next, in one sentence each."""

from collections.abc import Iterator, Mapping

from ...model.base.clock import format_ns
from .pack import Pack, ScenarioEvidence, cell

Line = tuple[str, str]
"""Where something changed, and the change in words."""


def differences(old: Pack, new: Pack) -> list[Line]:
    """Return every difference that matters to a reader of both packs."""
    lines = list(_of_mappings("tools", old.tools, new.tools))
    before = {each.name: each for each in old.scenarios}
    after = {each.name: each for each in new.scenarios}
    lines += [(name, "is no longer there") for name in before if name not in after]
    lines += [(name, "is new") for name in after if name not in before]
    for name, scenario in after.items():
        if name in before:
            lines += _of_scenarios(before[name], scenario)
    lines += _of_requirements(old, new)
    lines += _of_mutants(old, new)
    return lines


def _of_mappings(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Line]:
    for key in dict.fromkeys([*old, *new]):
        if key not in new:
            yield where, f"{key} is gone (was {old[key]})"
        elif key not in old:
            yield where, f"{key} is new: {new[key]}"
        elif old[key] != new[key]:
            yield where, f"{key}: {old[key]} -> {new[key]}"


def _of_scenarios(old: ScenarioEvidence, new: ScenarioEvidence) -> Iterator[Line]:
    name = new.name
    yield from ((name, f"input {text}") for _, text in _of_mappings("", old.inputs, new.inputs))
    yield from _of_verdicts(old, new)
    yield from _of_distances(old, new)
    windows = [
        {(each.cause, each.from_ns, each.to_ns, each.severity) for each in side.windows}
        for side in (old, new)
    ]
    for word, some in (("no longer", windows[0] - windows[1]), ("now", windows[1] - windows[0])):
        for cause, from_ns, to_ns, severity in sorted(some):
            span = f"{format_ns(from_ns)} to {format_ns(to_ns)}"
            yield name, f"{cause} is {word} unsafe ({severity}) from {span}"
    known, given = _assumptions(old), _assumptions(new)
    yield from ((name, f"assumption {text}") for _, text in _of_mappings("", known, given))


def _of_verdicts(old: ScenarioEvidence, new: ScenarioEvidence) -> Iterator[Line]:
    asked = dict.fromkeys(
        verdict.property
        for side in (old, new)
        for method in side.methods
        for verdict in method.judgement.verdicts
    )
    for name in asked:
        before, after = cell(old, name), cell(new, name)
        if before is None or after is None:
            yield new.name, f"{name}: {'no longer' if after is None else 'newly'} asked"
        elif (before.verdict, before.label) != (after.verdict, after.label):
            was, now = (f"{each.verdict} [{each.label}]" for each in (before, after))
            yield new.name, f"{name}: {was} -> {now}"


def _of_distances(old: ScenarioEvidence, new: ScenarioEvidence) -> Iterator[Line]:
    sides = [
        {
            each.name: f"{format_ns(each.least_ns)} to {format_ns(each.greatest_ns)}"
            for each in side.distances
        }
        for side in (old, new)
    ]
    yield from ((new.name, f"distance {text}") for _, text in _of_mappings("", *sides))


def _assumptions(scenario: ScenarioEvidence) -> dict[str, str]:
    return {
        each.name: f"{each.value} ({each.basis})"
        for method in scenario.methods
        for each in method.judgement.assumptions
    }


def _of_requirements(old: Pack, new: Pack) -> Iterator[Line]:
    before, after = (
        {each.id: f"{each.text} [{', '.join(each.properties)}]" for each in side.requirements}
        for side in (old, new)
    )
    return _of_mappings("requirements", before, after)


def _of_mutants(old: Pack, new: Pack) -> Iterator[Line]:
    before, after = (
        {each.name: ", ".join(each.killed_by) or "no property" for each in side.mutants}
        for side in (old, new)
    )
    return _of_mappings("mutants noticed by", before, after)
