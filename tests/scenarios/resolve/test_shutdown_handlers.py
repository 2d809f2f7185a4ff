"""What a scenario says of the guest's drivers at an orderly shutdown."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.errors import ScenarioError
from quiesce.model.machine.assumptions import assumptions_of
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import ShutdownPlan
from quiesce.properties.check import check
from quiesce.properties.search.smaller_plans import without_a_device
from quiesce.scenarios.format.loader import load
from quiesce.scenarios.resolve.as_files import SCENARIO as WRITTEN
from quiesce.scenarios.resolve.as_files import scenario_files
from quiesce.scenarios.resolve.resolve import ResolvedScenario, resolve

from ..busy_nic import BARE, MACHINE, ended_by
from ..conftest import Write

SHUTDOWN = ended_by("guest-shutdown", BARE)
LEFT_ON = SHUTDOWN + "\n[shutdown_handler]\neth0 = false\n"
STOPPED = SHUTDOWN + "\n[shutdown_handler]\neth0 = true\n"


def read(write: Write, text: str) -> ResolvedScenario:
    return resolve(load(write(text, guest=MACHINE)))


@pytest.mark.parametrize(
    ("text", "verdict"), [(SHUTDOWN, "violated"), (LEFT_ON, "violated"), (STOPPED, "holds")]
)
def test_only_a_handler_that_is_spoken_of_stops_the_device(
    write: Write, text: str, verdict: str
) -> None:
    trace = run(read(write, text).plan, Nominal())
    found = {each.property: each.verdict for each in check(trace)}
    assert found["no-dma-after-teardown"] == verdict


def test_an_answer_is_pinned_and_shown_as_such(write: Write) -> None:
    found = assumptions_of(read(write, STOPPED).plan)
    (said,) = [each for each in found if each.name == "guest1.eth0.shutdown-handler"]
    assert said.value == "stops-device"
    assert said.basis.startswith("pinned by the scenario")
    assert "guest.shutdown-handler" not in [each.name for each in found]
    asked = assumptions_of(read(write, SHUTDOWN).plan)
    (question,) = [each for each in asked if each.name == "guest.shutdown-handler"]
    assert question.value == "absent | stops-device"


def test_a_device_that_the_guest_does_not_drive_is_told(write: Write) -> None:
    with pytest.raises(ScenarioError, match="device 'eth1' is unknown; did you mean 'eth0'"):
        read(write, SHUTDOWN + "\n[shutdown_handler]\neth1 = true\n")


def test_with_several_machines_each_says_it_of_its_own(write: Write) -> None:
    text = STOPPED + '\n[[vm]]\nconfiguration = "guest.qvmconf"\n'
    with pytest.raises(ScenarioError, match=r"'shutdown_handler' stands outside of \[\[vm\]\]"):
        read(write, text)


def test_what_was_said_is_written_and_goes_with_its_device(write: Write) -> None:
    plan = read(write, LEFT_ON).plan
    assert plan.vms[0].shutdown_handlers == (ShutdownPlan("eth0", stops=False),)
    assert "eth0 = false" in scenario_files(plan)[WRITTEN]
    (smaller,) = without_a_device(plan)
    assert smaller.vms[0].shutdown_handlers == ()
