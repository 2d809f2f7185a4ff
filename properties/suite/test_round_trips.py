"""What is written is read back as it was."""

import pytest
from hypothesis import given

from quiesce.model.base.choices import Biased, Replay
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace import codec
from quiesce.properties.generate import strategies
from quiesce.scenarios.qvmconf.parser import parse_text
from quiesce.scenarios.resolve.replay import Recording, decode, encode


@pytest.mark.slow
@given(strategies.runs(devices_max=3))
def test_a_replay_file_makes_the_same_trace_again(drawn: tuple[SystemPlan, Biased]) -> None:
    plan, choices = drawn
    trace = run(plan, choices)
    recording = Recording(plan, (), "drawn", tuple(choices.log))
    again = decode(encode(recording))
    assert again == recording
    assert run(again.plan, Replay(again.choices)) == trace


@pytest.mark.slow
@given(strategies.runs(devices_max=2))
def test_a_trace_file_holds_the_whole_trace(drawn: tuple[SystemPlan, Biased]) -> None:
    trace = run(*drawn)
    assert codec.decode(codec.encode(trace)) == trace


@given(strategies.configurations())
def test_a_drawn_configuration_can_be_used(text: str) -> None:
    config = parse_text(text)
    words = text.split()
    assert len(config.passes) == words.count("pass")
    assert len(config.vdevs) == words.count("vdev")
    assert len(config.ram) == 1
