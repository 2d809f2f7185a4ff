"""An empty value stays empty; the resolver fills in only what is left out, and reports it."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.errors import ScenarioError
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import StepPlan
from quiesce.model.trace.events import QuiesceStepBegun
from quiesce.properties.check import check
from quiesce.scenarios.format.loader import load
from quiesce.scenarios.resolve.as_files import SCENARIO as WRITTEN
from quiesce.scenarios.resolve.as_files import scenario_files
from quiesce.scenarios.resolve.resolve import ResolvedScenario, resolve
from quiesce.scenarios.resolve.vdevs import FOR_EVER_NS

from ..busy_nic import CARED_FOR, MACHINE
from ..conftest import CRASH_AT_WORK, GUEST, Write

WITH_CALLBACK = CRASH_AT_WORK + '\n[[quiesce]]\nvdev = "qvmterm"\ndevice = "eth0"\n'
NO_STEPS = CARED_FOR + "steps = []\n"


def read(write: Write, text: str, guest: str = GUEST) -> ResolvedScenario:
    return resolve(load(write(text, guest=guest)))


def test_an_empty_list_of_steps_is_no_step_and_protects_nothing(write: Write) -> None:
    found = read(write, NO_STEPS, MACHINE)
    assert found.plan.vms[0].quiesce[0].steps == ()
    trace = run(found.plan, Nominal())
    assert [r for r in trace.records if isinstance(r.event, QuiesceStepBegun)] == []
    verdicts = {verdict.property: verdict.verdict for verdict in check(trace)}
    assert verdicts["no-dma-after-teardown"] == "violated"
    assert [each.name for each in found.assumptions if "steps" in each.name] == []


def test_steps_that_are_left_out_are_the_documented_ones_and_the_output_says_so(
    write: Write,
) -> None:
    found = read(write, CARED_FOR, MACHINE)
    steps = found.plan.vms[0].quiesce[0].steps
    (said,) = [each for each in found.assumptions if each.name == "quiesce-dev0.eth0.steps"]
    assert said.value == ", ".join(step.name for step in steps)
    assert said.basis.startswith("assumed: ")


def test_a_callback_without_steps_is_written_and_read_back(write: Write) -> None:
    plan = read(write, NO_STEPS, MACHINE).plan
    assert "steps = []" in scenario_files(plan)[WRITTEN]


def test_a_message_that_waits_for_ever_is_not_given_the_usual_ten_seconds(write: Write) -> None:
    text = WITH_CALLBACK.replace('device = "eth0"\n', 'device = "disk0"\nsteps = ["drain"]\n')
    found = read(write, text, GUEST + "set message-block-timeout 0\n")
    assert found.plan.vms[0].quiesce[0].steps == (StepPlan("drain", FOR_EVER_NS),)
    assert ("qvmterm.disk0.drain", "for ever") in {
        (each.name, each.value) for each in found.assumptions
    }
    assert 'steps = ["drain"]' in scenario_files(found.plan)[WRITTEN]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('configuration = "guest.qvmconf"', 'configuration = ""'),
        ('device = "eth0"', 'device = ""'),
        ('source = "eth0.dma"', 'source = ""'),
        ('source = "eth0.dma"', 'milestone = ""'),
        ('name = "eth0"', 'name = "eth0"\npass = ""'),
        ('name = "ahci0"', 'name = "ahci0"\ndriver = ""'),
        ("[end]", 'replay = ""\n\n[end]'),
    ],
)
def test_an_empty_text_is_not_taken_for_one_that_was_left_out(
    write: Write, old: str, new: str
) -> None:
    assert old in WITH_CALLBACK
    with pytest.raises(ScenarioError, match=r"an empty text says nothing|milestone '' is unknown"):
        load(write(WITH_CALLBACK.replace(old, new, 1)))


def test_an_empty_list_of_machines_is_no_machine(write: Write) -> None:
    with pytest.raises(ScenarioError, match="there is no VM in 'vm'"):
        read(write, 'vm = []\nconfiguration = "guest.qvmconf"\n')
