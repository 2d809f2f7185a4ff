"""A slice notices an influence that the wiring graph lacks."""

import networkx
import pytest

from quiesce.model.dense.slice_kernel import InfluenceError, SliceKernel, kernel_of_slice
from quiesce.model.machine.system import System, build
from quiesce.model.plan import independence as chains_module
from quiesce.model.plan.independence import IndependentGroups, independent_groups
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.plan.wiring import wiring
from quiesce.model.sim.kernel import Steps
from quiesce.model.trace.events import IrqMasked, Record
from quiesce.properties.prove.system_proof import Limits, prove_system
from quiesce.properties.registry import TEARDOWN
from quiesce.scenarios.prove.plan_slices import slice_of, task_of
from quiesce.scenarios.resolve.library import resolved

BLOCK, NET = 0, 1


@pytest.fixture
def article() -> SystemPlan:
    return resolved("article-pci").plan


def run_slice(
    plan: SystemPlan, groups: IndependentGroups, number: int, events: int = 60
) -> list[Record]:
    """Run one slice a little, the oldest delay first."""
    kernel = kernel_of_slice(plan, groups, number)(pinned=plan.pinned)
    records: list[Record] = []

    def note(record: Record) -> None:
        records.append(record)

    kernel.observe(note)
    build(kernel, plan)
    kernel.watch()
    kernel.settle()
    for _ in range(events):
        waiting = [each for each in kernel.pending.values() if each.callbacks]
        kernel.fire(min(waiting, key=lambda each: (each.label.endswith(".end"), each.span.hi_ns)))
    return records


def test_others_stand_idle(article: SystemPlan) -> None:
    sources = {record.source for record in run_slice(article, independent_groups(article), BLOCK)}
    assert "qvm178.virtio-blk_qvm178.driver" in sources
    assert not any(source.startswith("qvm178.virtio-net") for source in sources)


def test_a_vdev_that_was_cut_off_from_its_server_is_seen_to_reach_it(
    article: SystemPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_an_edge(plan: SystemPlan) -> "networkx.DiGraph[str]":
        graph = wiring(plan)
        graph.remove_edge("qvm178.virtio-blk_qvm178", "devb-ahci")
        graph.remove_edge("devb-ahci", "qvm178.virtio-blk_qvm178")
        return graph

    monkeypatch.setattr(chains_module, "wiring", without_an_edge)
    groups = independent_groups(article)
    assert len(groups.groups) == 5
    task = task_of(slice_of(article, groups, BLOCK, {}), (TEARDOWN["teardown-order"],))
    with pytest.raises(InfluenceError) as caught:
        prove_system(task, Limits(classes_max=2_000))
    assert "reaches devb-ahci" in str(caught.value)
    assert "--no-slicing" in str(caught.value)


def test_a_component_that_the_graph_does_not_know_is_an_error(article: SystemPlan) -> None:
    groups = independent_groups(article)
    fewer = IndependentGroups(
        groups.groups, tuple(name for name in groups.hubs if name != "procnto")
    )
    with pytest.raises(InfluenceError, match="procnto"):
        run_slice(article, fewer, BLOCK)


def acting(article: SystemPlan, number: int = NET) -> tuple[SliceKernel, System]:
    """Return the slice of a group, built and watched."""
    kernel = kernel_of_slice(article, independent_groups(article), number)(pinned=article.pinned)
    system = build(kernel, article)
    kernel.watch()
    kernel.settle()
    return kernel, system


def test_memory_of_another_group_is_out_of_bounds(article: SystemPlan) -> None:
    _, system = acting(article)
    arenas = system.supervisors[0].qvm.arenas
    memory = system.host.memory
    own, _ = arenas["qvm178.virtio-net_qvm178.driver"]
    start, end = arenas["qvm178.virtio-console.driver"]
    memory.write(own, b"mine")
    with pytest.raises(InfluenceError):
        memory.write(start - 2, b"over the edge")
    with pytest.raises(InfluenceError):
        memory.read(end - 1, 1)


def test_a_group_acts_on_no_component_and_on_no_line_of_another(article: SystemPlan) -> None:
    kernel, system = acting(article)
    host = system.host

    class Worker:
        """Stands for a process of the group."""

        name = "qvm178.virtio-net_qvm178"

        def touch(self) -> Steps:
            yield kernel.event()
            host.servers["ahci0"].settled.notify()

        def interrupt(self) -> Steps:
            yield kernel.event()
            kernel.emit("procnto", IrqMasked(article.disks[0].intid, "because"))

    for body, said in ((Worker().touch, "devb-ahci"), (Worker().interrupt, "interrupt")):
        process = kernel.process(body())
        kernel.settle()
        process.target.succeed()
        with pytest.raises(InfluenceError, match=said):
            kernel.settle()


def test_a_hub_enters_what_stands_idle_by_known_doors_alone(article: SystemPlan) -> None:
    kernel, system = acting(article)
    qvm = system.supervisors[0].qvm
    console = qvm.vdevs.by_name["virtio-console"]

    class Hub:
        """Stands for a process of qvm."""

        name = "qvm178"

        def by_a_door(self) -> Steps:
            yield kernel.event()
            console.disconnect()

        def over_the_wall(self) -> Steps:
            yield kernel.event()
            assert console.intr

    first = kernel.process(Hub().by_a_door())
    second = kernel.process(Hub().over_the_wall())
    kernel.settle()
    first.target.succeed()
    kernel.settle()
    second.target.succeed()
    with pytest.raises(InfluenceError, match="intr"):
        kernel.settle()
