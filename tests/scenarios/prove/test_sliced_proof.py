"""Proofs in slices give the same verdicts and bounds as proofs of the whole."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from quiesce.model.base.clock import Span, exactly
from quiesce.model.plan.independence import IndependentGroup, IndependentGroups, independent_groups
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, SystemPlan
from quiesce.model.plan.virtio_plan import EntropyPlan
from quiesce.properties.core.monitor import Property
from quiesce.properties.prove.system_proof import Limits
from quiesce.properties.registry import TEARDOWN
from quiesce.scenarios.cli.commands.prove_words import in_words
from quiesce.scenarios.prove import sliced_proof
from quiesce.scenarios.prove.attained_distances import attained_distances
from quiesce.scenarios.prove.plan_slices import slice_of
from quiesce.scenarios.prove.slice_results import WHOLE, Shown
from quiesce.scenarios.prove.sliced_proof import ScenarioProof, prove_in_slices, prove_whole

from .chained_plans import DRAIN, JOIN, chained, drawn, scenario

PlanMaker = Callable[..., SystemPlan]
Kinds = Sequence[type[Property]]
KINDS: Kinds = tuple(TEARDOWN.values())
NO_DMA: Kinds = (TEARDOWN["no-dma-after-teardown"],)


def words(proof: ScenarioProof) -> dict[str, str]:
    return {name: shown.word for name, shown in proof.findings.items()}


def in_slices(
    plan: SystemPlan, kinds: Kinds = KINDS, jobs: int = 1, **limits: int
) -> ScenarioProof:
    groups = independent_groups(plan)
    return prove_in_slices(scenario(plan), plan, kinds, groups, Limits(**limits), jobs=jobs)


def as_one(plan: SystemPlan, kinds: Kinds = KINDS) -> ScenarioProof:
    return prove_whole(scenario(plan), plan, kinds, Limits())


def assert_agree(plan: SystemPlan) -> None:
    """Insist on the same verdicts, and on bounds that hold what the whole has."""
    sliced, whole = in_slices(plan), as_one(plan)
    assert whole.is_whole
    assert sliced.is_whole
    assert words(sliced) == words(whole)
    exact = {each.name: each for each in whole.distances}
    found = {each.name: each for each in sliced.distances}
    # A search for a duration that is too long ends with the first that is.
    assert {name for name in set(found) ^ set(exact) if "to its exit" not in name} == set()
    for name in found.keys() & exact.keys():
        each = found[name]
        assert each.least.ns <= exact[name].least.ns <= exact[name].greatest.ns <= each.greatest.ns
    for distance in attained_distances(scenario(plan), plan, sliced):
        if distance.name not in exact:
            continue
        for run, ns, exact_ns in (
            (distance.least, distance.least_ns, exact[distance.name].least.ns),
            (distance.greatest, distance.greatest_ns, exact[distance.name].greatest.ns),
        ):
            assert run is None or ns == exact_ns


@pytest.mark.slow
@pytest.mark.parametrize("number", [7, 13, 25])
def test_slices_say_what_the_whole_says(number: int) -> None:
    assert_agree(drawn(number))


BOTH = chained(end=Span(9_000, 9_500), console=(*DRAIN, *JOIN), entropy=JOIN)


@pytest.mark.slow
def test_a_slice_tells_its_devices_and_its_size() -> None:
    proof = in_slices(BOTH)
    assert [part.name for part in proof.parts] == ["vm.con", "vm.rng"]
    assert [set(part.components) for part in proof.parts] == [
        {"vm.con", "vm.con.driver", "vm.con.peer"},
        {"vm.rng", "vm.rng.driver"},
    ]
    assert proof.classes == sum(part.classes for part in proof.parts)
    assert all(part.classes > 1 for part in proof.parts)


@pytest.mark.slow
def test_several_processes_find_the_same() -> None:
    alone, together = in_slices(BOTH), in_slices(BOTH, jobs=2)
    assert together.parts == alone.parts
    assert together.distances == alone.distances
    assert words(together) == words(alone)


@pytest.mark.slow
def test_of_callbacks_that_stand_idle_no_more_is_assumed_than_was_measured() -> None:
    proof = in_slices(BOTH)
    console, entropy = proof.parts
    # Nothing was in flight so early, so that the drain of at most 5 us took no time.
    assert entropy.guesses == ("the callback of vm.con takes 5us to 200us",)
    assert console.guesses == ("the callback of vm.rng takes 5us to 200us",)
    by_name = {
        each.name.split(": ")[1]: each for each in attained_distances(scenario(BOTH), BOTH, proof)
    }
    exits = by_name["from the beginning of its end to its exit"]
    assert in_words(exits).endswith("both attained")
    assert exits.greatest_ns - exits.least_ns > 2 * (200_000 - 5_000)


@pytest.mark.slow
def test_a_bound_is_kept_if_one_slice_keeps_it() -> None:
    greatest = next(each for each in as_one(BOTH).distances if "exit" in each.name).greatest.ns
    kept = in_slices(replace(BOTH, teardown_ns_max=greatest))
    broken = in_slices(replace(BOTH, teardown_ns_max=greatest - 1))
    assert words(kept)["teardown-bounded"] == "holds"
    assert words(broken)["teardown-bounded"] == "violated"
    assert broken.example is not None
    assert broken.example[0] == "teardown-bounded"


def test_a_slice_that_was_cut_short_may_be_the_one_that_keeps_a_bound() -> None:
    plan = replace(chained(console=DRAIN), teardown_ns_max=0)
    groups = independent_groups(plan)
    proof = prove_in_slices(
        scenario(plan), plan, (TEARDOWN["teardown-bounded"],), groups, Limits(classes_max=3)
    )
    assert words(proof) == {"teardown-bounded": "inconclusive"}
    assert all(part.number != WHOLE for part in proof.parts)
    kind = TEARDOWN["teardown-bounded"]
    shown = [Shown(word, "") for word in ("violated", "inconclusive")]
    assert sliced_proof._one_of(kind, shown, is_confirmed=False).word == "inconclusive"
    assert sliced_proof._one_of(kind, shown, is_confirmed=True).word == "violated"
    kept = [*shown, Shown("holds", "")]
    assert sliced_proof._one_of(kind, kept, is_confirmed=False).word == "holds"


# What is violated.


def careless(block_system: PlanMaker) -> SystemPlan:
    """Return a VM whose disk is left alone, with an entropy device beside it."""
    return block_system(
        vm={
            "restart": False,
            "entropies": (EntropyPlan(name="rng", loc=0x1C0F_0000, intr=50, requests=0),),
        },
        block={"requests": 1, "depth": 1, "length": 512, "queue_size": 4},
        pinned={
            "guest.crash-reaches-qvm": "at-once",
            "procnto.release-order": "ascending",
        },
    )


@pytest.mark.slow
def test_what_a_slice_violates_is_shown_in_the_whole(block_system: PlanMaker) -> None:
    proof = in_slices(careless(block_system), NO_DMA)
    assert words(proof) == {"no-dma-after-teardown": "violated"}
    assert proof.example is not None
    _, found = proof.example
    sources = {record.source for record in found.result.trace.records}
    assert "qvm178.rng.driver" in sources, "a run of the whole, in which all devices work"
    verdict = next(
        each for each in found.result.judgement.verdicts if each.property == "no-dma-after-teardown"
    )
    assert verdict.verdict == "violated"
    assert verdict.violations[0].data["writer"] == "ahci0"


@pytest.mark.slow
def test_what_only_a_slice_violates_is_decided_by_the_whole(
    block_system: PlanMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown_in_whole = sliced_proof.in_whole

    def in_whole(*args: object, is_of_slice: bool) -> object:
        return None if is_of_slice else shown_in_whole(*args, is_of_slice=False)  # type: ignore[arg-type]

    monkeypatch.setattr(sliced_proof, "in_whole", in_whole)
    plan = careless(block_system)
    proof = in_slices(plan, NO_DMA)
    assert proof.parts[-1].number == WHOLE
    assert words(proof) == {"no-dma-after-teardown": "violated"}
    few = next(part.classes for part in proof.parts if part.number != WHOLE)
    cut = in_slices(plan, NO_DMA, classes_max=few)
    assert words(cut) == {"no-dma-after-teardown": "inconclusive"}
    assert "what the slice assumes of the other" in cut.findings["no-dma-after-teardown"].reason


# What is assumed of the others.


def test_an_end_that_waits_for_another_group_comes_at_any_instant() -> None:
    after = AfterPlan("RequestSubmitted", "vm.rng.driver")
    plan = chained()
    vm = replace(plan.vms[0], end=EndPlan("guest-crash", exactly(700), after))
    plan = replace(plan, vms=(vm,))
    groups = independent_groups(plan)
    console, entropy = (slice_of(plan, groups, number, {}) for number in (0, 1))
    assert entropy.plan == plan
    assert entropy.guesses == ()
    assert console.plan.vms[0].end == EndPlan("guest-crash", Span(700, plan.horizon_ns))
    assert console.guesses == ("the end of vm begins at any instant up to 1ms",)


@pytest.mark.slow
def test_a_slice_without_all_its_devices_is_an_error() -> None:
    plan = chained(end=exactly(30_000))
    groups = independent_groups(plan)
    torn = [group for group in groups.groups if group.name != "vm.con"]
    torn += [
        IndependentGroup("driver", ("vm.con.driver",)),
        IndependentGroup("vdev", ("vm.con", "vm.con.peer")),
    ]
    wrong = IndependentGroups(tuple(torn), groups.hubs)
    with pytest.raises(sliced_proof.InfluenceError, match=r"vm\.con"):
        prove_in_slices(scenario(plan), plan, KINDS, wrong, Limits())


# The user's interrupt.


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_ends_all_and_nothing_is_proved(
    jobs: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parent = os.getpid()
    measured = sliced_proof._measured

    def interrupted(*args: object) -> object:
        (tmp_path / "seen").touch()
        assert os.getpid() == parent
        signal.raise_signal(signal.SIGINT)
        return measured(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(sliced_proof, "_measured", interrupted)
    known = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        proof = in_slices(BOTH, jobs=jobs)
    finally:
        signal.signal(signal.SIGINT, known)
    assert (tmp_path / "seen").exists()
    assert proof.was_stopped
    assert not proof.is_whole
    assert words(proof)["teardown-order"] == "inconclusive"
