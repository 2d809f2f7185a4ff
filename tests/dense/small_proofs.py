"""Proofs of small models: a transition system, a search, and what it has found."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from quiesce.model.dense.dense_kernel import Build
from quiesce.model.dense.step import MakeStopwatch, MakeWatch
from quiesce.model.dense.transition_system import TransitionSystem
from quiesce.properties.prove.layout import Clocks
from quiesce.properties.prove.model_proof import Proof, proof_of, search_of
from quiesce.properties.prove.watches import WatchMonitor
from quiesce.properties.prove.zone_search import ZoneSearch
from quiesce.scenarios.prove.dense import system_of

from .small_models import claim, distance


def searched(
    build: Build,
    claims: Sequence[MakeWatch] = (),
    distances: Sequence[MakeStopwatch] = (),
    *,
    in_parts: bool = False,
    left_out: frozenset[str] = frozenset(),
    stop_at_fault: bool = True,
    classes_max: int = 1_000_000,
    seconds: float = float("inf"),
) -> tuple[ZoneSearch, TransitionSystem]:
    """Return a search through a model, gone as far as the limits allow, and the model."""
    system = system_of(build, claims, distances, in_parts=in_parts, left_out=left_out)
    clocks = Clocks.PER_PART if in_parts else Clocks.GLOBAL
    search = search_of(system, distances, clocks=clocks, stop_at_fault=stop_at_fault)
    search.run(classes_max, time.monotonic() + seconds)
    return search, system


def prove(
    build: Build,
    claims: Sequence[MakeWatch] = (),
    distances: Sequence[MakeStopwatch] = (),
    **how: Any,
) -> Proof:
    """Return what a search through a model has found."""
    return proof_of(*searched(build, claims, distances, **how))


def bounds(proof: Proof) -> dict[str, tuple[int, int]]:
    """Return the least and greatest value of each distance."""
    return {name: (least.ns, greatest.ns) for name, (least, greatest) in proof.ranges.items()}


def monitor_of(make: Callable[[], Any]) -> Callable[[], WatchMonitor]:
    """Return what makes a monitor of a watch."""
    return lambda: WatchMonitor(make())


def system_of_play(play: Build) -> TransitionSystem:
    """Return a small model with its claim and its distance, explored as a whole."""
    return system_of(play, [claim], [distance])
