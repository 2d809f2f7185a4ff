"""What the attributes of a passed-through `intr` become: heeded, refused, or named as left out."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.errors import ScenarioError
from quiesce.model.machine.system import run
from quiesce.model.trace.events import IrqTaken, IrqUnmasked
from quiesce.properties.search.smaller_plans import without_a_device
from quiesce.scenarios.format.loader import load
from quiesce.scenarios.resolve.as_files import SCENARIO as WRITTEN
from quiesce.scenarios.resolve.as_files import scenario_files
from quiesce.scenarios.resolve.resolve import ResolvedScenario, resolve

from ..busy_nic import BARE, MACHINE, ended_by
from ..conftest import Write

AT_ONCE = MACHINE.replace("intr gic:44=179", "intr gic:44,u=179")
EDGE = ended_by("sigkill", BARE).replace('name = "eth0"', 'name = "eth0"\ntrigger = "edge"')


def read(write: Write, text: str, guest: str) -> ResolvedScenario:
    return resolve(load(write(text, guest=guest)))


def test_u_of_a_line_unmasks_it_at_once(write: Write) -> None:
    plan = read(write, EDGE, AT_ONCE).plan
    assert plan.interrupts.unmasked_at_once == ("eth0",)
    records = run(plan, Nominal()).records
    taken = [record.at_ns for record in records if isinstance(record.event, IrqTaken)]
    opened = [
        record.at_ns
        for record in records
        if isinstance(record.event, IrqUnmasked) and record.event.reason == "at once"
    ]
    assert taken
    assert opened == taken


def test_without_u_the_guest_has_to_handle_it_first(write: Write) -> None:
    assert read(write, EDGE, MACHINE).plan.interrupts.unmasked_at_once == ()


def test_u_of_a_level_triggered_line_is_refused_with_its_place(write: Write) -> None:
    level = EDGE.replace('trigger = "edge"', 'trigger = "level"')
    with pytest.raises(ScenarioError, match=r"guest.qvmconf:4.*level-triggered"):
        read(write, level, AT_ONCE)


def test_u_says_that_the_line_is_edge_triggered_where_nothing_else_does(write: Write) -> None:
    found = read(write, BARE, AT_ONCE)
    assert found.plan.nics[0].trigger == "edge"
    (said,) = [each for each in found.assumptions if each.name == "eth0.trigger"]
    assert said.value == "edge"
    assert said.basis.startswith("assumed: ")


def test_what_was_read_is_written_again(write: Write) -> None:
    files = scenario_files(read(write, EDGE, AT_ONCE).plan)
    assert "intr gic:179,u=179" in files["guest1.qvmconf"]
    assert WRITTEN in files


def test_a_smaller_plan_knows_no_line_of_a_device_that_is_gone(write: Write) -> None:
    (smaller,) = without_a_device(read(write, EDGE, AT_ONCE).plan)
    assert smaller.interrupts.unmasked_at_once == ()
