"""The distances of a proof, and the runs of the whole system that attain them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...model.base.clock import format_ns
from ...model.plan.system_plan import SystemPlan
from ...model.trace.codec import write_whole
from ...properties.prove.counterexample import NotReplayedError
from ...properties.prove.judging import readings_of
from ..resolve import replay
from ..resolve.resolve import ResolvedScenario
from .proof import Found, distances_of, run_path
from .slice_results import Extreme
from .sliced_proof import ScenarioProof

__all__ = ["AttainedDistance", "attained_distances", "distance_document", "distance_files"]


class AttainedDistance(NamedTuple):
    """A distance between two kinds of moment over all runs, with runs that have its bounds.

    Attributes:
        name: Of it.
        least_ns: No run has less.
        greatest_ns: No run has more.
        least: A run of the whole system that has exactly the least, if one is known.
        greatest: The same for the greatest.
    """

    name: str
    least_ns: int
    greatest_ns: int
    least: Found | None
    greatest: Found | None


def attained_distances(
    scenario: ResolvedScenario, plan: SystemPlan, proof: ScenarioProof
) -> tuple[AttainedDistance, ...]:
    """Return the distances of a proof, each tried in the ordinary kernel.

    Raises:
        NotReplayedError: If the whole was searched, and a run does not have the distance that was
            found: our bug.  In a slice it may be that the whole cannot do what the slice can.
    """
    measures = {each.name: each for each in distances_of(plan)}
    distances = []
    for each in proof.distances:
        found = []
        for extreme in (each.least, each.greatest):
            run = _attained(scenario, plan, each.name, extreme, is_of_slice=proof.proof is None)
            has_it = extreme.ns in readings_of(measures[each.name], run.result.trace.records)
            if not has_it and proof.proof is not None:
                raise NotReplayedError(each.name)
            found.append(run if has_it else None)
        distances.append(AttainedDistance(each.name, each.least.ns, each.greatest.ns, *found))
    return tuple(distances)


def _attained(
    scenario: ResolvedScenario, plan: SystemPlan, name: str, extreme: Extreme, *, is_of_slice: bool
) -> Found:
    chosen = f"a run in which this is attained: {name}, {format_ns(extreme.ns)}"
    result = run_path(scenario, plan, extreme.path, chosen, is_of_slice=is_of_slice)
    return Found(result, len(extreme.path.schedule.order))


def distance_files(distances: Sequence[AttainedDistance], folder: Path) -> list[Path]:
    """Write the replay of each run that attains a bound; returns the files."""
    files = []
    for number, distance in enumerate(distances, 1):
        for word, found in (("least", distance.least), ("greatest", distance.greatest)):
            if found is not None:
                path = folder / f"distance-{number}-{word}.json"
                write_whole(path, replay.encode(found.result.recording))
                files.append(path)
    return files


def distance_document(distance: AttainedDistance) -> dict[str, object]:
    """Return a distance for the file of the proof."""
    return {
        "name": distance.name,
        "least_ns": distance.least_ns,
        "greatest_ns": distance.greatest_ns,
        "least_is_attained": distance.least is not None,
        "greatest_is_attained": distance.greatest is not None,
    }
