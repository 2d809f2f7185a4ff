"""The sample of timings that a fix must survive: of four kinds, and the same in every run."""

from itertools import islice

import pytest

from quiesce.model.base.choices import AdaptedReplay, Biased, Nominal, Seeded, Varied
from quiesce.model.trace.events import TerminationBegun
from quiesce.scenarios.explain.hard_sample import Sample, Timing
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.runner import RunResult, choices_for, run_scenario


@pytest.fixture(scope="module")
def result() -> RunResult:
    """Return a run that is violated."""
    return run_scenario(resolved("nic-crash-bare"), *choices_for())


@pytest.fixture
def sample(result: RunResult) -> Sample:
    """Return the sample of that run."""
    return Sample(result.plan, result.recording.choices, result.trace, "qvm178")


def test_the_ends_of_all_spans_come_first_and_then_each_kind_in_turn(sample: Sample) -> None:
    kinds = [timing.kind for timing in islice(sample.timings(), 11)]
    assert kinds[:3] == ["nominal", "earliest", "latest"]
    assert kinds[3:7] == kinds[7:]
    assert set(kinds[3:7]) == {"biased", "moved", "drawn", "varied"}


def test_each_kind_makes_its_own_choices(sample: Sample, result: RunResult) -> None:
    made = {
        kind: type(sample.applied(Timing(kind, 2), result.plan)[1])
        for kind in ("nominal", "biased", "moved", "drawn", "varied")
    }
    assert made == {
        "nominal": Nominal,
        "biased": Biased,
        "moved": AdaptedReplay,
        "drawn": Seeded,
        "varied": Varied,
    }
    assert type(sample.applied(Timing("moved", 3), result.plan)[1]) is Varied


def test_a_timing_is_the_same_whenever_it_is_asked_for(sample: Sample, result: RunResult) -> None:
    again = Sample(result.plan, result.recording.choices, result.trace, "qvm178")
    for timing in islice(sample.timings(), 40):
        one, first = sample.applied(timing, result.plan)
        other, second = again.applied(timing, result.plan)
        assert one == other
        assert [first.between(0, 10**6, "x") for _ in range(9)] == [
            second.between(0, 10**6, "x") for _ in range(9)
        ]


def test_the_end_moves_to_many_instants_around_its_own(sample: Sample, result: RunResult) -> None:
    end_ns = next(
        record.at_ns
        for record in result.trace.records
        if isinstance(record.event, TerminationBegun)
    )
    moved = []
    for number in range(60):
        plan, _ = sample.applied(Timing("moved", number), result.plan)
        end = plan.vms[0].end
        assert end is not None
        assert end.after is None
        moved.append(end.delay.lo_ns)
    assert len(set(moved)) > 40
    assert min(moved) < end_ns < max(moved)
    assert max(moved) <= result.trace.records[-1].at_ns
