"""From scenario and configuration to the plan of a run: what is matched, assumed and refused."""

import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.base.errors import ConfigError, NothingToJudge, ScenarioError
from quiesce.model.machine.system import header_of
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, QuiescePlan, StepPlan
from quiesce.model.plan.timing import Timing
from quiesce.scenarios.format.loader import load
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.resolve.resolve import ResolvedScenario, resolve

from ..conftest import GUEST, SCENARIO, Write


def plan_of(write: Write, text: str, guest: str = GUEST) -> ResolvedScenario:
    return resolve(load(write(text, guest=guest)))


def complaints(write: Write, text: str, guest: str = GUEST) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        plan_of(write, text, guest)
    return str(caught.value).split("\n")


def assumed(resolved_scenario: ResolvedScenario) -> dict[str, str]:
    return {each.name: each.value for each in resolved_scenario.assumptions}


# What the configuration says need not be said again.


def test_a_short_scenario_takes_everything_else_from_the_configuration(write: Write) -> None:
    plan = plan_of(write, SCENARIO).plan
    (vm,) = plan.vms
    assert (vm.name, vm.nics, [block.name for block in vm.blocks]) == (
        "linux-net",
        ("eth0",),
        ["disk0"],
    )
    assert [(region.start, region.length) for region in vm.ram] == [(0x8000_0000, 16 << 20)]
    assert [(nic.intid, nic.trigger) for nic in plan.nics] == [(179, "level")]
    assert vm.end == EndPlan("guest-crash", exactly(250_000))
    assert not plan.iommu


def test_what_had_to_be_assumed_is_listed(write: Write) -> None:
    found = assumed(plan_of(write, SCENARIO))
    assert found == {
        "linux-net.pass mem:0xee090000": "left out",
        "ahci0.interrupt": "32",
        "linux-net.disk0.zero_copy": "true",
        "linux-net.vdevs": "left out: qvmterm",
        "platform.deactivated_by": "kernel",
    }


def test_an_iommu_that_is_not_named_is_assumed_absent(write: Write) -> None:
    found = assumed(plan_of(write, SCENARIO.replace('iommu = "none"', "")))
    assert found["platform.iommu"] == "none"


@pytest.mark.parametrize("word", ["0xee080000", '"mem:0xee080000"', '"0xee080000"', "179"])
def test_a_pass_entry_is_known_by_address_label_and_vector(write: Write, word: str) -> None:
    text = SCENARIO.replace('name = "eth0"', f'name = "eth0"\npass = {word}')
    assert plan_of(write, text).plan.nics[0].intid == 179


def test_a_pci_function_gets_messages_and_a_vector_of_its_own(write: Write) -> None:
    guest = GUEST.replace("mem:0xee080000,0x1000,rwd intr gic:179", "pci:0:3.0")
    (nic,) = plan_of(write, SCENARIO, guest).plan.nics
    assert (nic.trigger, nic.intid) == ("message", 32)


@pytest.mark.parametrize(("dio", "zero_copy"), [("enable", True), ("disable", False)])
def test_direct_io_of_the_vdev_decides_who_writes(write: Write, dio: str, zero_copy: bool) -> None:
    guest = GUEST.replace("hostdev", f"dio {dio} hostdev")
    found = plan_of(write, SCENARIO, guest)
    assert found.plan.vms[0].blocks[0].zero_copy == zero_copy
    assert "linux-net.disk0.zero_copy" not in assumed(found)


def test_workload_timing_and_choices_reach_the_plan(write: Write) -> None:
    text = (
        SCENARIO
        + """
        [workload.eth0]
        frames = 5
        gap = "1us..2us"
        length = 60
        [workload.disk0]
        requests = 3
        depth = 2
        operation = "write"
        length = 512
        think = "1us"
        queue_size = 8
        [timing]
        restart = "3ms"
        [choices]
        "qvm.mask-tracking" = "tracked"
        [bounds]
        teardown = "100ms"
        irq_after_teardown = 3
    """
    )
    plan = plan_of(write, text).plan
    nic, block = plan.nics[0], plan.vms[0].blocks[0]
    assert (nic.frames, nic.gap, nic.frame_length) == (5, Span(1_000, 2_000), 60)
    assert (block.requests, block.depth, block.operation) == (3, 2, "write")
    assert (block.length, block.think, block.queue_size) == (512, exactly(1_000), 8)
    assert plan.timing == Timing(restart=exactly(3_000_000))
    assert plan.pinned == {"qvm.mask-tracking": "tracked"}
    assert (plan.teardown_ns_max, plan.irq_after_teardown_max) == (100_000_000, 3)


def test_an_end_at_any_instant_is_a_span_from_the_start(write: Write) -> None:
    text = SCENARIO.replace('at = "250us"', 'at = "any"\nwithin = "1ms"')
    end = plan_of(write, text).plan.vms[0].end
    assert end == EndPlan("guest-crash", Span(0, 1_000_000))


def test_an_end_after_an_event_waits_for_a_component(write: Write) -> None:
    after = 'after = { event = "DmaIssued", source = "eth0.dma", count = 3, delay = "0ns..1us" }'
    end = plan_of(write, SCENARIO.replace('at = "250us"', after)).plan.vms[0].end
    assert end == EndPlan("guest-crash", Span(0, 1_000), AfterPlan("DmaIssued", "eth0.dma", 3))


def test_quiescing_without_steps_is_the_documented_procedure(write: Write) -> None:
    text = SCENARIO + '[[quiesce]]\nvdev = "qvmterm"\ndevice = "eth0"\n'
    (quiesce,) = plan_of(write, text).plan.vms[0].quiesce
    assert StepPlan("await-idle", 80_000_000) in quiesce.steps
    assert quiesce.on_timeout == "quarantine"


def test_vdevs_quiesce_in_the_order_of_the_configuration(write: Write) -> None:
    text = (
        SCENARIO
        + """
        [[quiesce]]
        vdev = "qvmterm"
        device = "eth0"
        steps = ["reset"]
        [[quiesce]]
        vdev = "disk0"
        steps = [{ name = "drain", bound = "1ms" }]
    """
    )
    assert plan_of(write, text).plan.vms[0].quiesce == (
        QuiescePlan("disk0", "disk0", (StepPlan("drain", 1_000_000),)),
        QuiescePlan("qvmterm", "eth0", (StepPlan("reset"),)),
    )


def test_a_drain_without_a_bound_waits_as_long_as_qvm_does(write: Write) -> None:
    guest = "set message-block-timeout 700\n" + GUEST
    text = SCENARIO + '[[quiesce]]\nvdev = "disk0"\nsteps = ["drain"]\n'
    (quiesce,) = plan_of(write, text, guest).plan.vms[0].quiesce
    assert quiesce.steps == (StepPlan("drain", 700_000_000),)


def test_vdevs_of_one_type_without_names_are_numbered(write: Write) -> None:
    guest = GUEST.replace("name disk0 ", "") + "vdev virtio-blk hostdev /dev/hd1\n"
    blocks = plan_of(write, SCENARIO, guest).plan.vms[0].blocks
    assert [block.name for block in blocks] == ["virtio-blk-1", "virtio-blk-2"]


def test_an_unmodelled_device_is_an_assumption_with_its_reason(write: Write) -> None:
    text = SCENARIO.replace('kind = "nic"', 'kind = "unmodelled"\npass = 179\nreason = "idle"')
    found = plan_of(write, text)
    assert found.plan.nics == ()
    assert ("eth0", "left out", "assumed: idle (mem:0xee080000)") in [
        (each.name, each.value, each.basis) for each in found.assumptions
    ]


TWO_VMS = """
[[vm]]
name = "a"
configuration = "guest.qvmconf"
end = { cause = "sigkill", at = "1us" }
[[vm]]
name = "b"
configuration = "other.qvmconf"
[platform]
iommu = "smmuv3"
[[platform.device]]
kind = "nic"
name = "eth0"
[[platform.device]]
kind = "ahci"
name = "ahci0"
"""
OTHER = "ram 0x80000000,16M\nvdev virtio-blk name disk0 hostdev /dev/hd1\n"


def test_two_vms_have_ends_and_names_of_their_own(write: Write) -> None:
    write(OTHER, name="other.qvmconf")
    plan = plan_of(write, TWO_VMS).plan
    assert [(vm.name, vm.nics, vm.end is None) for vm in plan.vms] == [
        ("a", ("eth0",), False),
        ("b", (), True),
    ]


# What does not fit is refused with place, word and remedy.


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            '"guest.qvmconf"',
            '"gest.qvmconf"',
            (
                "s.toml:2:17: there is no configuration file 'gest.qvmconf'; "
                "paths are relative to the scenario file"
            ),
        ),
        (
            'configuration = "guest.qvmconf"',
            "",
            (
                's.toml: no configuration is named; write configuration = "guest.qvmconf", '
                "at the top or in each [[vm]]"
            ),
        ),
        (
            'at = "250us"',
            "",
            (
                's.toml:4:1: the instant of the end is missing; write at = "250us", at = "any" '
                'or after = { event = "DmaIssued" }'
            ),
        ),
        (
            'at = "250us"',
            'at = "1us"\nafter = { event = "VmStarted" }',
            "s.toml:4:1: 'at' and 'after' exclude each other; remove one of them",
        ),
        (
            'at = "250us"',
            'at = "any"',
            (
                "s.toml:6:6: 'any' needs a window; add within = \"1ms\": how long after the start "
                "it may come"
            ),
        ),
        (
            'at = "250us"',
            'at = "250us"\nwithin = "1ms"',
            ('s.toml:7:10: \'within\' goes with at = "any" only; write at = "0ns..1ms" for a span'),
        ),
        (
            'at = "250us"',
            'after = { event = "DmaIssued", source = "eth0.dmaa" }',
            "s.toml:6:41: component 'eth0.dmaa' is unknown; did you mean 'eth0.dma'?",
        ),
        (
            "guest-crash",
            "sigterm-x86",
            (
                "s.toml:5:9: 'sigterm-x86' is a cause on x86, but linux-net uses 'gic'; "
                "write sigterm-arm"
            ),
        ),
        (
            'iommu = "none"',
            'interrupt_controller = "apic"',
            (
                "s.toml:9:24: linux-net attaches interrupts to 'gic', which is not apic; "
                "correct the configuration or the platform"
            ),
        ),
        (
            'iommu = "none"',
            'message_routes = "remapping"',
            (
                "s.toml:9:18: 'remapping' goes with 'apic', and the interrupt controller is "
                '\'gicv3\'; write interrupt_controller = "apic", or message_routes = "none"'
            ),
        ),
        (
            'iommu = "none"',
            'pending_table = "guest"',
            (
                "s.toml:9:17: only the LPIs of an ITS have a pending table; "
                'write message_routes = "its", or remove it'
            ),
        ),
        (
            'name = "eth0"',
            'name = "eth0"\npass = 0xee080001',
            (
                "s.toml:14:8: no configuration passes '0xee080001' through; "
                "did you mean 'mem:0xee080000'?"
            ),
        ),
        (
            'name = "eth0"',
            'name = "eth0"\ninterrupt = 5',
            "s.toml:14:13: 'eth0' has interrupt 5, but 179 in the configuration; remove it here",
        ),
        (
            'name = "eth0"',
            'name = "eth0"\nring_size = 8\nprefetch = 9',
            "s.toml:15:12: 'eth0' reads 9 descriptors ahead, but its ring has 8; write at most 8",
        ),
        ('"ahci0"', '"eth0"', "s.toml:17:8: two devices are called 'eth0'; rename one of them"),
        (
            'name = "ahci0"',
            'name = "ahci0"\nserves = ["/dev/sd*"]',
            (
                "guest.qvmconf:3:63: no disk of the platform serves '/dev/hd0t131' of 'disk0'; "
                'add a [[platform.device]] of kind "ahci", "host-nvme" or "host-sdmmc"'
            ),
        ),
        (
            '"ahci0"',
            '"memory"',
            (
                "s.toml:11:1: 'memory' would be the name of two components; "
                "rename the VM, the vdev or the device of the platform"
            ),
        ),
    ],
)
def test_what_does_not_fit_is_told(write: Write, old: str, new: str, complaint: str) -> None:
    assert old in SCENARIO
    assert complaints(write, SCENARIO.replace(old, new, 1)) == [complaint]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (
            "[workload.eth1]",
            "s.toml:18:1: device 'eth1' is unknown; did you mean 'eth0'?",
        ),
        (
            "[workload.eth0]\nrequests = 3",
            (
                "s.toml:19:12: NIC 'eth0' has no 'requests'; its workload may have "
                "frames, gap, length"
            ),
        ),
        (
            "[workload.eth0]\nlength = 4096",
            (
                "s.toml:19:10: frames of 4096 bytes do not fit into buffers of 2048; "
                "write at most 2048, or enlarge buffer_length of 'eth0'"
            ),
        ),
        (
            "[workload.disk0]\ngap = '1us'",
            (
                "s.toml:19:7: vdev 'disk0' has no 'gap'; its workload may have "
                "requests, depth, operation, length, think, queue_size, mount, flush_every, "
                "device_reset, bus_reset, gives_back_first"
            ),
        ),
        (
            "[workload.disk0]\nlength = 100",
            "s.toml:19:10: 100 is not a multiple of 512, the size of a sector; write whole sectors",
        ),
        (
            "[workload.disk0]\nqueue_size = 12",
            (
                "s.toml:19:14: a queue size of 12 is not a power of two; "
                "write a power of two, or use packed virtqueues"
            ),
        ),
        (
            "[[quiesce]]\nvdev = 'qvmtrm'",
            "s.toml:19:8: vdev 'qvmtrm' is unknown; did you mean 'qvmterm'?",
        ),
        (
            "[[quiesce]]\nvdev = 'other'\ndevice = 'eth0'",
            "s.toml:19:8: vdev 'other' is unknown; add `vdev other` to guest.qvmconf",
        ),
        (
            "[[quiesce]]\nvdev = 'qvmterm'",
            "s.toml:19:8: device 'qvmterm' is unknown; name eth0 or disk0",
        ),
        (
            "[[quiesce]]\nvdev = 'qvmterm'\ndevice = 'eth0'\nsteps = ['rset']",
            "s.toml:21:10: step for 'eth0', 'rset' is unknown; did you mean 'reset'?",
        ),
        (
            (
                "[[quiesce]]\nvdev = 'qvmterm'\ndevice = 'eth0'\n"
                "steps = [{ name = 'reset', bound = '1ms' }]"
            ),
            "s.toml:21:36: step 'reset' waits for nothing, so it has no bound; remove it",
        ),
        (
            "[[vm]]\nname = 'x'\nconfiguration = 'guest.qvmconf'",
            (
                "s.toml:2:17: 'configuration' stands outside of [[vm]]; "
                "move it into the [[vm]] that it describes"
            ),
        ),
    ],
)
def test_what_is_added_wrongly_is_told(write: Write, more: str, complaint: str) -> None:
    assert complaint in complaints(write, f"{SCENARIO}{more}\n")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "rwn intr gic:180",
            "rwd intr gic:180",
            "s.toml:11:1: 'eth0' could be mem:0xee080000 or mem:0xee090000; add pass = ...",
        ),
        (
            "rwd",
            "rwn",
            (
                "s.toml:11:1: no configuration passes a device through that 'eth0' could be; "
                "add a pass entry whose window is not marked n, or remove the device"
            ),
        ),
        (
            "ram 0x80000000,16M",
            "",
            ("guest.qvmconf: linux-net has no RAM; add a line such as `ram 0x80000000,128M`"),
        ),
        (
            "0x80000000,16M",
            "0x80000000,128K",
            (
                "guest.qvmconf:2:5: the drivers of linux-net need 229 KiB in its first RAM; "
                "enlarge it, or shrink rings and requests"
            ),
        ),
        (
            "0x80000000,16M",
            "0x8000000000,16M",
            (
                "guest.qvmconf:2:5: without an IOMMU guests are unity-mapped, and from "
                "0x8000000000 on memory is the host's own, but RAM of linux-net reaches "
                "0x8001000000; "
                'move it, or say iommu = "smmuv3"'
            ),
        ),
    ],
)
def test_a_configuration_that_does_not_fit_is_told_with_its_line(
    write: Write, old: str, new: str, complaint: str
) -> None:
    assert old in GUEST
    assert complaint in complaints(write, SCENARIO, GUEST.replace(old, new, 1))


def test_dma_that_nobody_answers_for_is_refused(write: Write) -> None:
    text = SCENARIO.replace('[[platform.device]]\nkind = "nic"\nname = "eth0"\n', "")
    (complaint,) = complaints(write, text)
    assert complaint == (
        "guest.qvmconf:4:1: 'mem:0xee080000' is passed through to linux-net and may write memory, "
        'but the platform has no such device; add a [[platform.device]] of kind "nic" or '
        '"unmodelled", or mark its window n if it does no DMA'
    )


def test_a_device_has_one_owner_at_a_time(write: Write) -> None:
    write(GUEST.replace("system linux-net", "system b"), name="other.qvmconf")
    lines = complaints(write, TWO_VMS.replace('name = "eth0"', 'name = "eth0"\npass = 179'))
    assert (
        "s.toml:14:8: '179' is meant by several pass entries, of a or b; "
        "a device has one owner at a time; name one entry only"
    ) in lines


def test_one_pass_entry_is_one_device(write: Write) -> None:
    text = SCENARIO.replace('name = "eth0"', 'name = "eth0"\npass = 179')
    text += '[[platform.device]]\nkind = "nic"\nname = "eth1"\npass = 0xee080000\n'
    assert complaints(write, text) == [
        (
            "s.toml:22:8: 'mem:0xee080000' is 'eth0' already; "
            "name another pass entry, or remove one of the devices"
        )
    ]


def test_unity_mapped_guests_do_not_share_addresses(write: Write) -> None:
    other = "ram 0x80000000,16M\npass loc mem:0xee0a0000,0x1000,rwd intr gic:181\n"
    write(other, name="other.qvmconf")
    text = TWO_VMS.replace("smmuv3", "none").replace('name = "eth0"', 'name = "eth0"\npass = 179')
    text += '[[platform.device]]\nkind = "nic"\nname = "eth1"\n'
    assert complaints(write, text) == [
        (
            "other.qvmconf:1:5: without an IOMMU guests are unity-mapped, but RAM of b overlaps "
            'RAM of a; move it, or say iommu = "smmuv3"'
        )
    ]
    assert plan_of(write, text.replace('"none"', '"smmuv3"')).plan.iommu


def test_two_vms_of_one_name_are_refused(write: Write) -> None:
    write(OTHER, name="other.qvmconf")
    text = TWO_VMS.replace('"b"', '"a"')
    assert "s.toml:7:8: two VMs are called 'a'; rename one of them" in complaints(write, text)


def test_a_broken_configuration_keeps_its_own_complaints(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"guest\.qvmconf:3:"):
        plan_of(write, SCENARIO, GUEST.replace("gic:41", "gic:x41"))


# A bare configuration.


def test_a_bare_configuration_is_its_worst_case(write: Write) -> None:
    write()
    found = resolved("guest.qvmconf")
    (vm,) = found.plan.vms
    assert (vm.nics, len(vm.blocks), found.plan.iommu) == (("nic0",), 1, False)
    assert vm.end == EndPlan(
        "guest-crash", Span(0, 1_000_000), AfterPlan("BackendRequestBegun", "", 2)
    )
    assert [(each.vdev, each.device) for each in vm.quiesce] == [
        ("qvmterm", "nic0"),
        ("qvmterm", "irq0"),
    ]
    assert {"platform.iommu", "nic0", "ahci0", "end", "quiesce"} <= assumed(found).keys()


def test_a_bare_configuration_without_a_vdev_of_its_own_quiesces_nothing(write: Write) -> None:
    write(guest=GUEST.replace("vdev qvmterm", ""))
    found = resolved("guest.qvmconf")
    assert found.plan.vms[0].quiesce == ()
    assert assumed(found)["quiesce"] == "none"


def test_a_bare_configuration_without_dma_has_nothing_to_run(write: Write) -> None:
    write(guest="ram 1M\n")
    with pytest.raises(NothingToJudge, match="nothing here can be judged"):
        resolved("guest.qvmconf")


def test_a_name_that_is_not_shipped_is_told(write: Write) -> None:
    write()
    with pytest.raises(ScenarioError, match="did you mean 'nic-crash-bare'"):
        resolved("nic-crash-bear")


@pytest.mark.parametrize(
    ("settings", "timing", "expected"),
    [
        ("", "", None),
        ("set message-block-timeout 700\n", "", 700_000_000),
        ("set message-block-timeout 0\n", "", 0),
        ("set message-block-timeout 700\n", '[timing]\nmessage_block_timeout = "1ms"\n', None),
    ],
)
def test_the_configuration_bounds_a_stalled_server_unless_the_scenario_does(
    write: Write, settings: str, timing: str, expected: int | None
) -> None:
    text = SCENARIO.replace("guest-crash", "server-stall") + timing
    plan = plan_of(write, text, settings + GUEST).plan
    assert plan.vms[0].block_timeout_ns == expected
    known = {row.name: row.value for row in header_of(plan).assumptions}
    said = {None: None, 0: "for ever", 700_000_000: "700ms"}[expected]
    assert known.get("linux-net.message_block_timeout") == said
    assert ("message_block_timeout" in known) == (expected is None)


def test_the_timeout_of_the_disk_vdev_comes_before_that_of_its_vm(write: Write) -> None:
    guest = "set message-block-timeout 700\n" + GUEST
    line = next(one for one in guest.splitlines() if "virtio-blk" in one)
    guest = guest.replace(line, f"{line}\nset vdev-message-block-timeout 20")
    assert plan_of(write, SCENARIO, guest).plan.vms[0].block_timeout_ns == 20_000_000
