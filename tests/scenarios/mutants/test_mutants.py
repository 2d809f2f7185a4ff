"""The properties notice every mutant, and hold in every correct design."""

import json

import pytest
from msgspec.structs import replace

from quiesce.properties.registry import TEARDOWN
from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output import exit_status
from quiesce.scenarios.mutants import mutant_suite
from quiesce.scenarios.mutants.changes import (
    both,
    device,
    ends_after,
    impatient,
    pinned,
    traits,
    without,
)
from quiesce.scenarios.mutants.designs import CLASSES, CRASH, EXITS, ORDERLY, SHUTDOWN, class_of
from quiesce.scenarios.mutants.mutant_scores import (
    CONTROLS,
    SEEDS,
    Control,
    score,
    score_control,
    scores,
    sole_killers,
    timings,
    violated_properties,
)
from quiesce.scenarios.mutants.mutants import BY_NAME, MUTANTS, Mutant, designs, mutated

CASES = [(mutant.name, case.design, case.face) for mutant in MUTANTS for case in mutant.cases]


@pytest.mark.slow
@pytest.mark.parametrize("name", designs())
def test_a_correct_design_violates_nothing_whatever_the_timing(name: str) -> None:
    plan = designs()[name]
    for choices in timings(12):
        assert violated_properties(plan, choices) == set()


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_noticed_wherever_it_is_tried(mutant: Mutant) -> None:
    result = score(mutant)
    assert result.spared == ()
    assert result.is_killed
    assert result.runs == len(mutant.cases) * (SEEDS + 3)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_tried_in_two_classes_and_in_orderly_and_crash_exits(mutant: Mutant) -> None:
    for exit_ in (CRASH, ORDERLY):
        assert len({case.device_class for case in mutant.cases if case.exit == exit_}) >= 2


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_an_exit_in_which_a_mutant_is_not_tried_has_a_reason(mutant: Mutant) -> None:
    tried = {case.exit for case in mutant.cases}
    assert tried | set(mutant.not_tried) >= set(EXITS)


@pytest.mark.slow
def test_each_property_of_a_teardown_alone_notices_some_mutant() -> None:
    alone = sole_killers(scores(BY_NAME, seeds=1))
    assert list(alone) == list(TEARDOWN)
    harms = [name for name, kind in TEARDOWN.items() if kind.ends_search]
    assert [name for name in harms if not alone[name]] == []


@pytest.mark.slow
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_what_is_harmless_is_not_condemned(control: Control) -> None:
    result = score_control(control, seeds=3)
    assert result.violated == ()
    assert result.shown_in > result.runs // 4
    assert result.passes


def test_a_control_that_never_comes_about_has_not_passed() -> None:
    quiet = replace(CONTROLS[0], is_shown=lambda _: False)
    assert not score_control(quiet, seeds=0).passes


@pytest.mark.slow
@pytest.mark.parametrize("design", ["ahci/vdev/guest-crash", "accelerator/vdev/guest-crash"])
def test_a_request_into_the_devices_own_registers_harms_nobody_if_it_is_refused(
    design: str,
) -> None:
    aimed = both(device(own_registers_at=2), ends_after("RegistersHit"))(designs()[design])
    for choices in timings(6):
        assert violated_properties(aimed, choices) == set()
    unguarded = traits(takes_bus_writes=True)(aimed)
    assert any(violated_properties(unguarded, choices) for choices in timings(6))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "faults_of"),
    [("a late unmask", "M13"), ("detached before", "M13"), ("invalidated, but", "M9")],
)
def test_unusual_timing_alone_is_no_mistake(case: str, faults_of: str) -> None:
    """Some cases come with slow hardware, which a correct design withstands."""
    found = [each for each in BY_NAME[faults_of].cases if each.face.startswith(case)]
    iommu = [each for each in found if "/iommu/" in each.design]
    assert iommu
    for each in iommu:
        plan = designs()[each.design]
        slow = replace(each.change(plan), faults=plan.faults)
        for choices in timings(3):
            assert violated_properties(slow, choices) == set()


def test_the_names_are_m1_to_m18_and_each_case_stands_once() -> None:
    assert [mutant.name for mutant in MUTANTS] == [f"M{n}" for n in range(1, 19)]
    assert {design for _, design, _ in CASES} <= set(designs())
    assert len(CASES) == len(set(CASES))


def test_every_class_has_its_designs_and_knows_them_again() -> None:
    assert {name.split("/")[0] for name in designs()} == set(CLASSES)
    for name, plan in designs().items():
        assert class_of(plan) == name.split("/")[0]


@pytest.mark.slow
def test_a_survivor_is_what_is_noticed_in_one_class_or_one_exit_only() -> None:
    whole = BY_NAME["M14"]
    nic = [case for case in whole.cases if case.device_class == "nic"]
    assert not score(replace(whole, cases=tuple(nic)), seeds=0).is_killed
    crashes = [case for case in whole.cases if case.exit == CRASH]
    assert not score(replace(whole, cases=tuple(crashes)), seeds=0).is_killed


@pytest.mark.slow
def test_several_processes_come_to_the_same() -> None:
    assert scores(["M5", "M14"], jobs=2, seeds=0) == scores(["M5", "M14"], seeds=0)


# The command.


@pytest.mark.slow
def test_the_score_is_json_with_killers_and_survivors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "M14", "--score", "--json"]) == exit_status.OK
    document = json.loads(capsys.readouterr().out)
    assert document["survivors"] == []
    assert document["mutants"]["M14"]["killed_by"] == [
        "memory-reclaimed",
        "restart-happened",
        "teardown-bounded",
    ]
    assert document["mutants"]["M14"]["runs"] > 50
    assert document["mutants"]["M14"]["classes"][SHUTDOWN] == ["nic", "block", "can"]


@pytest.mark.slow
def test_a_survivor_is_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    harmless = replace(
        BY_NAME["M5"], cases=tuple(replace(c, change=_nothing) for c in BY_NAME["M5"].cases)
    )
    monkeypatch.setitem(BY_NAME, "M5", harmless)
    assert main(["mutants", "M5", "--score"]) == exit_status.VIOLATED
    said = capsys.readouterr().out
    assert "SURVIVES" in said
    assert "no property notices" in said


def _nothing(plan: object) -> object:
    return plan


@pytest.mark.slow
def test_the_table_tells_class_exit_property_and_what_is_not_tried(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["mutants", "M10", "--score"]) == exit_status.OK
    said = " ".join(capsys.readouterr().out.split())
    assert "nic/iommu, ahci/iommu at guest-crash" in said
    assert "accelerator/iommu, sensor/iommu at guest-crash" in said
    assert "sigterm-arm: no-dma-after-teardown" in said
    assert "not vdev: there is no IOMMU" in said
    assert "1 of 1 killed" in said


@pytest.mark.slow
def test_the_whole_score_also_says_who_is_needed_and_what_must_pass(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutant_suite, "scores", lambda names, _: scores(names, seeds=0))
    main(["mutants", "--score", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert list(document["properties"]) == list(TEARDOWN)
    assert {name: one["violated"] for name, one in document["controls"].items()} == {
        "C1": [],
        "C2": [],
    }


def test_a_list_says_what_each_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants"]) == exit_status.OK
    said = " ".join(capsys.readouterr().out.split())
    for mutant in MUTANTS:
        assert mutant.pattern in said
        assert mutant.bugs in said


def test_an_unknown_mutant_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "M19"]) == exit_status.BAD_INPUT
    assert "mutant 'M19' is unknown" in capsys.readouterr().err


# Built into other plans.


def test_a_mutant_is_built_into_a_users_plan_if_it_has_a_place_for_it() -> None:
    plan = designs()["ahci/vdev/guest-crash"]
    assert mutated(plan, "M15") != plan
    assert mutated(plan, "M9") is None, "there is no IOMMU"
    assert mutated(designs()["can/vdev/guest-crash"], "M15") is None, "it writes no memory"


def test_changes_leave_alone_what_they_do_not_name() -> None:
    plan = designs()["can/shared/guest-crash"]
    changed = without("clear-interrupts")(plan)
    assert changed.vms[1] == plan.vms[1]
    assert traits(never_idle=True)(plan).devices[1] == plan.devices[1]
    hasty = impatient(5)(plan).vms[0].quiesce[0]
    assert {step.bound_ns for step in hasty.steps} == {0, 5}
    assert pinned(qvm__mask_tracking="untracked")(plan).pinned["qvm.mask-tracking"] == "untracked"
