import msgspec
import pytest

from quiesce.model.trace.events import Assumption
from quiesce.properties.check import check, judge
from quiesce.properties.core.verdict import Judgement, Verdict, combined, most_alarming, worst
from quiesce.properties.registry import UnknownPropertyError, named

from ..story import at, granted, landed, released, story

GOOD = story(at(0, granted(1)), at(5, landed(1)), at(10, released(1)))
BAD = story(at(0, granted(1)), at(10, released(1)), at(11, landed(1)))


def test_judgement_shows_label_bounds_and_assumptions_with_every_verdict() -> None:
    assumptions = (Assumption("nvme_req", "10us..200us", "assumed: no figure published"),)
    header = msgspec.structs.replace(BAD.header, assumptions=assumptions)
    shown = str(judge(msgspec.structs.replace(BAD, header=header)))
    assert shown.splitlines()[0] == "a story: violated [run]"
    assert "bound: one trace of 4 records, observed for 1ms" in shown
    assert "assumes: nvme_req = 10us..200us (assumed: no figure published)" in shown
    assert "#2 eth0 wrote 1024 bytes into frame 0x80012, 1ns after vm1" in shown


def test_verdict_alone_does_not_say_its_word() -> None:
    for verdict in check(GOOD) + check(BAD):
        assert verdict.property in str(verdict)
        for word in ("holds", "violated", "vacuous", "inconclusive"):
            assert word not in str(verdict)


@pytest.mark.parametrize("label", ["", "sampled", "sampled()", "certain", "run and more"])
def test_judgement_without_a_proper_label_cannot_be_made(label: str) -> None:
    with pytest.raises(AssertionError):
        judge(GOOD, label=label)


@pytest.mark.parametrize(
    "label",
    [
        "run",
        "sampled(500)",
        "swept(all crash points, nominal timing)",
        "searched(dense time, cut short)",
        "counterexample(dense time)",
        "proved(dense time)",
    ],
)
def test_every_engine_has_a_label(label: str) -> None:
    assert f"[{label}]" in str(judge(GOOD, label=label))


@pytest.mark.parametrize("label", ["proved(dense time)", "proved(dense time, cut short)"])
def test_what_is_not_shown_is_not_called_proved(label: str) -> None:
    assert judge(GOOD, label=label).verdict == "holds"
    for trace in (BAD, story()):
        assert judge(trace).verdict in {"violated", "vacuous"}
        with pytest.raises(AssertionError, match="not called proved"):
            judge(trace, label=label)


def test_judgement_without_bounds_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        Judgement(scenario="s", label="run", bounds=(), assumptions=(), verdicts=check(GOOD))


def test_never_tested_cannot_be_called_holding() -> None:
    with pytest.raises(AssertionError):
        Verdict("no-dma-after-teardown", "holds", "none", 0, "")


def test_verdict_survives_its_file() -> None:
    judgement = judge(BAD)
    assert msgspec.json.decode(msgspec.json.encode(judgement), type=Judgement) == judgement


def test_runs_combine_to_the_most_alarming_word() -> None:
    name = ["no-dma-after-teardown"]
    parts = [*check(GOOD, name), *check(BAD, name), *check(GOOD, name)]
    both = combined(parts)
    assert (both.verdict, both.severity, both.antecedents) == ("violated", "stray", 3)
    assert both.reason.startswith("violated in 1 of 3 runs; first: eth0 wrote")
    assert combined([*check(GOOD, name), *check(story(), name)]).verdict == "holds"


def test_order_of_words_and_severities() -> None:
    assert most_alarming(["vacuous", "holds"]) == "holds"
    assert most_alarming(["holds", "inconclusive", "vacuous"]) == "inconclusive"
    assert most_alarming([]) == "vacuous"
    assert worst(["stray", "corruption", "starved"]) == "corruption"
    assert worst([]) == "none"


def test_unknown_property_is_reported_with_the_nearest_name() -> None:
    with pytest.raises(UnknownPropertyError, match="did you mean 'no-dma-after-teardown'"):
        check(GOOD, ["no-dma-after-tear-down"])
    error = UnknownPropertyError("zzz")
    assert str(type(error)(*error.args)) == str(error)


def test_properties_come_in_the_order_asked_for() -> None:
    assert [kind.name for kind in named(["epochs-match", "teardown-order"])] == [
        "epochs-match",
        "teardown-order",
    ]
