"""Runs that hit their bound: a search counts them, keeps the first as a replay, and goes on."""

import json
from itertools import count
from pathlib import Path

import pytest

from quiesce.model.base.choices import Biased, Choices, Earliest, Latest, Seeded
from quiesce.model.base.errors import BoundHit
from quiesce.model.machine import system
from quiesce.model.machine.system import Instants, run, run_watched
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace.events import Trace
from quiesce.properties.registry import PROPERTIES, TEARDOWN
from quiesce.properties.search.fuzz import FuzzTask, Run, fuzz_chunk, instants_of
from quiesce.properties.search.sweep import SweepPart, SweepTarget, crash_instants, sweep_part
from quiesce.properties.search.tally import Tally
from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output import exit_status
from quiesce.scenarios.mutants import mutant_scores
from quiesce.scenarios.mutants.mutants import BY_NAME
from quiesce.scenarios.prove.proof import sampled
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run import campaign as campaigns
from quiesce.scenarios.run import crash_sweep, runner

QUIET = resolved("nic-crash-quiesced")

HIT = BoundHit("events", 9, "shorten the workload", "eth0 goes on without end")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def every_third_never_ends() -> Run:
    """Return what makes runs; every third drawn one hits its bound."""
    numbers = count()

    def made(plan: SystemPlan, choices: Choices) -> Trace:
        if isinstance(choices, Biased) and next(numbers) % 3 == 2:
            raise HIT
        return run(plan, choices)

    return made


@pytest.mark.parametrize("name", ["nic-crash-quiesced", "article-mmio"])
def test_a_guest_never_waits_for_the_end_of_the_observation(name: str) -> None:
    drawn = dict(instants_of(resolved(name).plan, run))
    assert drawn["DmaLanded"]
    assert not {"OutsideEnded", "ObservationEnded"} & set(drawn)


@pytest.mark.parametrize("name", ["guest-reboot", "clean-shutdown"])
def test_a_guest_never_waits_for_what_only_its_own_end_brings(name: str) -> None:
    """The driver of a guest that shuts down confirms that its device has stopped."""
    drawn = dict(instants_of(resolved(name).plan, run))
    assert "StopConfirmed" not in drawn
    assert drawn["DmaLanded"] > 10


def test_a_timing_whose_own_run_never_ends_does_not_end_the_campaign() -> None:
    def made(plan: SystemPlan, choices: Choices) -> Trace:
        if isinstance(choices, Latest):
            raise HIT
        return run(plan, choices)

    def never(plan: SystemPlan, choices: Choices) -> Trace:
        raise HIT

    assert dict(instants_of(QUIET.plan, made))["DmaLanded"]
    assert instants_of(QUIET.plan, never) == ()
    campaign = fuzz_chunk(FuzzTask(QUIET.plan), never, 0, examples=3)
    assert (campaign.tally.runs, campaign.tally.unfinished) == (3, 3)
    assert {each.verdict for each in campaign.tally.verdicts()} == {"inconclusive"}


@pytest.mark.slow
def test_drawn_ends_of_a_guest_that_reboots_all_come() -> None:
    campaign = fuzz_chunk(FuzzTask(resolved("guest-reboot").plan, seed=2), run, 0, examples=60)
    assert (campaign.tally.runs, campaign.tally.unfinished) == (60, 0)


def test_a_campaign_goes_on_over_runs_that_do_not_end_and_none_of_them_holds() -> None:
    campaign = fuzz_chunk(FuzzTask(QUIET.plan), every_third_never_ends(), 0, examples=12)
    tally = campaign.tally
    assert (tally.runs, tally.unfinished, tally.violated) == (12, 4, 0)
    found = {verdict.property: verdict for verdict in tally.verdicts()}
    assert found["no-dma-after-teardown"].verdict == "inconclusive"
    assert found["no-dma-after-teardown"].reason.startswith("inconclusive in 4 of 12 runs")
    assert {verdict.verdict for verdict in found.values()} == {"inconclusive"}
    assert campaign.unfinished is not None
    assert "eth0 goes on without end" in campaign.unfinished.reason


def test_a_campaign_of_which_no_run_ends_says_that_everything_is_open() -> None:
    tally = Tally()
    tally.add_unfinished()
    found = tally.verdicts()
    assert tuple(verdict.property for verdict in found) == tuple(PROPERTIES)
    assert {verdict.verdict for verdict in found} == {"inconclusive"}


def test_parts_with_runs_that_do_not_end_add_up() -> None:
    whole = fuzz_chunk(FuzzTask(QUIET.plan), every_third_never_ends(), 0, examples=6)
    other = fuzz_chunk(FuzzTask(QUIET.plan), every_third_never_ends(), 1, examples=6)
    first = whole.unfinished
    whole.absorb(other)
    assert (whole.tally.runs, whole.tally.unfinished) == (12, 4)
    assert whole.unfinished == first


def test_the_first_run_that_was_given_up_is_kept_as_a_replay_and_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "run", every_third_never_ends())
    words = ["fuzz", "nic-crash-quiesced", "--examples", "6", "--no-plot", "--forget"]
    assert main([*words, "--json"]) == exit_status.OF_VERDICT["inconclusive"]
    document = json.loads(capsys.readouterr().out)
    assert document["unfinished"] == 2
    assert document["verdict"] == "inconclusive"
    (kept,) = [file for file in document["files"] if file.endswith("given-up.json")]
    main(["run", "--replay", kept, "--no-plot"])
    assert "eth0 goes on without end" in capsys.readouterr().out
    monkeypatch.setattr(campaigns, "run", every_third_never_ends())
    main(words)
    said = " ".join(capsys.readouterr().out.split())
    assert "2 of 6 runs were given up and show nothing; the first: the run hit its bound" in said


def test_a_sweep_counts_a_crash_point_whose_run_does_not_end_and_goes_on() -> None:
    target = SweepTarget(QUIET.plan, 0, "guest-crash", 300_000)
    instants = crash_instants(target, run_watched)[:8]
    numbers = count()

    def made(plan: SystemPlan, choices: Choices) -> tuple[Trace, Instants]:
        if next(numbers) in (3, 4):
            raise HIT
        return run_watched(plan, choices)

    part, whole = SweepPart(), SweepPart()
    sweep_part(target, instants, made, part)
    sweep_part(target, instants, run_watched, whole)
    assert part.tally.unfinished == 2
    assert part.gaps == whole.gaps
    assert len(part.strips) == len(whole.strips)
    assert part.unfinished is not None
    assert part.unfinished.reason == str(HIT)
    words = {verdict.verdict for verdict in part.tally.verdicts()}
    assert words == {"inconclusive"}


def test_a_sweep_with_such_a_point_is_open_and_keeps_its_replay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = count()

    def made(plan: SystemPlan, choices: Choices) -> tuple[Trace, Instants]:
        if next(numbers) == 5:
            raise HIT
        return run_watched(plan, choices)

    monkeypatch.setattr(crash_sweep, "run_watched", made)
    words = ["sweep", "nic-crash-quiesced", "--until", "120us", "--no-plot"]
    assert main(words) == exit_status.OF_VERDICT["inconclusive"]
    said = " ".join(capsys.readouterr().out.split())
    assert "guest-crash open 0 of" in said
    assert "1 were given up and show nothing, the first at" in said
    assert "given-up-guest-crash.json" in said
    kept = "out/nic-crash-quiesced/sweep/given-up-guest-crash.json"
    assert main(["run", "--replay", kept, "--no-plot"]) != exit_status.BAD_INPUT


def test_the_sample_before_a_proof_passes_over_such_runs_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made(plan: SystemPlan, choices: Choices) -> Trace:
        if isinstance(choices, Earliest | Seeded):
            raise HIT
        return run(plan, choices)

    monkeypatch.setattr(runner, "run", made)
    unfinished: list[str] = []
    kinds = list(TEARDOWN.values())
    assert sampled(QUIET, QUIET.plan, kinds, unfinished) is None
    assert len(unfinished) == 13
    assert "quiesce run nic-crash-quiesced --timing earliest" in unfinished[0]
    bare = resolved("nic-crash-bare")
    found = sampled(bare, bare.plan, kinds, unfinished)
    assert found is not None, "the other runs of the sample still refute"


def test_a_mutant_whose_runs_do_not_end_is_not_killed_by_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made(plan: SystemPlan, choices: Choices) -> Trace:
        raise HIT

    monkeypatch.setattr(mutant_scores, "run", made)
    found = mutant_scores.score(BY_NAME["M1"], 0)
    assert not found.is_killed
    assert all(len(case.given_up) == case.runs == 3 for case in found.cases)
    control = mutant_scores.score_control(mutant_scores.CONTROLS[0], 0)
    assert not control.passes
    assert control.given_up == control.runs


def test_the_model_names_what_goes_on_whoever_makes_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quiesce.model.sim.kernel.EVENTS_MAX", 150)
    for make in (system.run, system.run_watched):
        with pytest.raises(BoundHit, match=r"goes on without end in .*\(model/"):
            make(QUIET.plan, Earliest())
