"""What is drawn of a run, as exact numbers and without paper."""

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Part, Record, Trace
from quiesce.reports.draw.chart import Bar, Chart, Lane, Track, Zone
from quiesce.reports.lanes.lanes import chart_of


def lane_of(chart: Chart, name: str) -> Lane:
    return next(lane for lane in chart.lanes if lane.name == name)


def track_of(chart: Chart, lane: str, name: str) -> Track:
    return next(track for track in lane_of(chart, lane).tracks if track.name == name)


def trace_of(*records: tuple[int, str, int, ev.AnyEvent], parts: tuple[Part, ...] = ()) -> Trace:
    return Trace(Header("by hand", parts=parts), tuple(Record(*record) for record in records))


def test_an_unstopped_nic_is_drawn_as_able_to_write_until_the_end(late_writes: Trace) -> None:
    track = track_of(chart_of(late_writes), "eth0", "epoch 1")
    (may_write,) = [bar for bar in track.bars if bar.kind == "may_write"]
    assert (may_write.start_ns, may_write.end_ns) == (12_000, late_writes.records[-1].at_ns)
    assert may_write.is_open


def test_a_nic_seen_to_be_quiet_may_write_no_more(stopped_in_time: Trace) -> None:
    chart = chart_of(stopped_in_time)
    (may_write,) = [
        bar for bar in track_of(chart, "eth0", "epoch 1").bars if bar.kind == "may_write"
    ]
    assert (may_write.end_ns, may_write.is_open) == (555_000, False)
    quiesce = track_of(chart, "eth0", "quiesce")
    assert quiesce.bars == (Bar(521_000, 555_000, "step", 1, "disable-receive"),)
    assert [(mark.at_ns, mark.kind) for mark in quiesce.marks] == [(555_000, "stop_confirmed")]


def test_every_write_is_a_bar_from_the_device_to_memory(late_writes: Trace) -> None:
    track = track_of(chart_of(late_writes), "eth0", "epoch 1")
    flights = [bar for bar in track.bars if bar.kind == "in_flight"]
    assert len(flights) == 60
    assert {bar.end_ns - bar.start_ns for bar in flights} == {700}
    assert flights[0].start_ns == 35_000


def test_the_forbidden_zone_begins_with_the_first_frame_and_is_whole_at_the_last(
    late_writes: Trace,
) -> None:
    chart = chart_of(late_writes)
    assert track_of(chart, "eth0", "epoch 1").zone == Zone(1, 625_000, 775_000, "no write allowed")
    assert track_of(chart, "gic", "irq 33 epoch 1").zone == Zone(
        1, 615_000, 615_000, "no interrupt allowed"
    )
    assert track_of(chart, "vm1.guest", "guest").zone is None


def test_frames_go_back_in_steps_and_to_the_next_epoch_at_once(late_writes: Trace) -> None:
    first, second = track_of(chart_of(late_writes), "memory", "vm1 frames").levels
    assert first.steps[:3] == ((0, 256), (625_000, 240), (635_000, 224))
    assert (first.steps[-1], first.end_ns) == ((775_000, 0), 775_000)
    assert (second.steps, second.epoch) == (((925_000, 256),), 2)


def test_the_lines_through_the_picture_tell_the_story_in_order(late_writes: Trace) -> None:
    moments = [(moment.kind, moment.at_ns) for moment in chart_of(late_writes).moments]
    assert moments == [
        ("end", 500_000),
        ("teardown", 625_000),
        ("released", 775_000),
        ("start", 927_000),
    ]


def test_a_blocked_write_is_marked_at_the_device_and_at_the_iommu(blocked_writes: Trace) -> None:
    chart = chart_of(blocked_writes)
    at_device = [
        mark.at_ns for mark in track_of(chart, "eth0", "epoch 1").marks if mark.kind == "blocked"
    ]
    at_iommu = [mark.at_ns for mark in track_of(chart, "smmu", "for eth0").marks]
    assert at_device == at_iommu
    assert len(at_device) == 30
    mapped, invalidating = track_of(chart, "smmu", "for eth0").bars
    assert (mapped.start_ns, mapped.end_ns) == (0, 616_000)
    assert (invalidating.start_ns, invalidating.end_ns) == (616_000, 619_000)


def test_a_device_asked_to_drop_its_translations_is_a_bar_that_says_how_it_ended() -> None:
    chart = chart_of(
        trace_of(
            (10, "iommu", -1, ev.AtcInvalidationBegun("eth0", 1)),
            (30, "iommu", 0, ev.AtcInvalidationEnded("eth0", 1, "timed_out")),
            (40, "iommu", -1, ev.AtcInvalidationBegun("eth0", 2)),
            (45, "iommu", 2, ev.AtcInvalidationEnded("eth0", 2, "done")),
            parts=(Part("eth0", "hardware"),),
        )
    )
    given_up, answered = track_of(chart, "eth0", "quiesce").bars
    assert given_up == Bar(10, 30, "timed_out", 1, "ATC invalidation TIMED OUT")
    assert (answered.start_ns, answered.end_ns, answered.kind) == (40, 45, "step")


def test_a_reset_of_the_iommu_ends_every_map_and_is_a_line_through_the_picture() -> None:
    chart = chart_of(
        trace_of(
            (0, "iommu", -1, ev.IommuMapped("eth0", 1, 0, 0x1000, 0x1000)),
            (0, "iommu", -1, ev.IommuMapped("eth1", 2, 0, 0x2000, 0x1000)),
            (50, "iommu", -1, ev.IommuReset("bypass")),
            (70, "iommu", -1, ev.IommuMapped("eth1", 2, 0, 0x2000, 0x1000)),
            (90, "run", -1, ev.ObservationEnded()),
            parts=(Part("iommu", "iommu"),),
        )
    )
    (gone,) = track_of(chart, "iommu", "for eth0").bars
    assert (gone.start_ns, gone.end_ns) == (0, 50)
    assert [(b.start_ns, b.end_ns) for b in track_of(chart, "iommu", "for eth1").bars] == [
        (0, 50),
        (70, 90),
    ]
    (moment,) = chart.moments
    assert (moment.at_ns, moment.label) == (
        50,
        "the IOMMU loses its tables and lets everything pass",
    )


def test_fault_records_are_marked_where_they_are_read_and_losses_look_different() -> None:
    chart = chart_of(
        trace_of(
            (10, "smmuman", -1, ev.FaultRecordsRead(1, 3, 0, False)),
            (20, "smmuman", -1, ev.FaultRecordsRead(1, 3, 2, False)),
            (30, "smmuman", -1, ev.FaultRecordsRead(1, 3, 0, True)),
            parts=(Part("smmuman", "host_driver"),),
        )
    )
    marks = track_of(chart, "smmuman", "fault records").marks
    assert [mark.kind for mark in marks] == ["records_read", "records_lost", "records_lost"]


def test_a_level_line_is_asserted_masked_and_taken() -> None:
    chart = chart_of(
        trace_of(
            (0, "gic", -1, ev.IrqAttached(5, "vm1", 1)),
            (10, "gic", -1, ev.IrqAsserted(5, "eth0", 1, "level")),
            (12, "gic", 1, ev.IrqMasked(5, "assertion")),
            (15, "gic", 1, ev.IrqTaken(5, 1)),
            (30, "gic", 1, ev.IrqDeasserted(5, "eth0", 1)),
            (40, "gic", 1, ev.IrqUnmasked(5, "handled")),
            parts=(Part("gic", "interrupts"), Part("procnto", "interrupts")),
        )
    )
    line = track_of(chart, "gic", "irq 5 epoch 1")
    assert Bar(10, 30, "asserted", 1) in line.bars
    assert Bar(0, 40, "attached", 1, "attached by vm1", is_open=True) in line.bars
    assert [mark.at_ns for mark in line.marks] == [15]
    assert track_of(chart, "gic", "irq 5 masked").bars == (Bar(12, 40, "masked", 0, "assertion"),)


def test_a_request_never_completed_ends_with_its_vm_but_goes_on_in_the_host_driver() -> None:
    chart = chart_of(
        trace_of(
            (0, "q", -1, ev.VmStarted("vm1", 1)),
            (10, "d", -1, ev.RequestSubmitted("vm1.blk0", 1, 3)),
            (20, "s", 1, ev.BackendRequestBegun("devb-ahci", 1, "read", 512)),
            (50, "q", -1, ev.QvmExited("vm1", 1, 137)),
            (80, "s", 2, ev.BackendRequestEnded("devb-ahci", 1, "read", "done")),
            parts=(Part("vm1.blk0.driver", "virtqueue"), Part("devb-ahci", "host_driver")),
        )
    )
    assert track_of(chart, "vm1.blk0.driver", "epoch 1").bars == (Bar(10, 50, "request", 1),)
    assert track_of(chart, "devb-ahci", "epoch 1").bars == (Bar(20, 80, "request", 1),)


def test_two_identical_writes_in_flight_are_matched_by_cause_and_not_by_order() -> None:
    issued = ev.DmaIssued("ahci0", 1, 0x1000, 64, "data")
    landed = ev.DmaLanded("ahci0", 1, 0x1000, 64, "data")
    chart = chart_of(
        trace_of(
            (0, "ahci0", -1, issued),
            (5, "ahci0", -1, issued),
            (20, "memory", 1, landed),
            (90, "memory", 0, landed),
        )
    )
    flights = [
        (bar.start_ns, bar.end_ns)
        for bar in track_of(chart, "ahci0", "epoch 1").bars
        if bar.kind == "in_flight"
    ]
    assert flights == [(0, 90), (5, 20)]


def test_a_component_that_the_header_does_not_name_gets_the_last_lane() -> None:
    write = ev.DmaLanded("usb0", 1, 0x1000, 64, "data")
    parts = (Part("eth0", "hardware"), Part("memory", "memory"))
    chart = chart_of(trace_of((3, "memory", -1, write), parts=parts))
    assert [lane.name for lane in chart.lanes] == ["eth0", "memory", "usb0"]


def test_a_trace_without_records_has_lanes_and_nothing_in_them() -> None:
    chart = chart_of(trace_of(parts=(Part("eth0", "hardware"),)))
    assert chart.lanes == (Lane("eth0", "hardware"),)
    assert (chart.start_ns, chart.end_ns, chart.instants_ns) == (0, 0, ())


def test_a_write_into_a_frame_that_no_vm_ever_owned_is_drawn_apart(late_writes: Trace) -> None:
    stray = Record(2_000_000, "memory", -1, ev.DmaLanded("eth0", 1, 0x9000, 8, "data"))
    chart = chart_of(Trace(late_writes.header, (*late_writes.records, stray)))
    assert [mark.at_ns for mark in track_of(chart, "memory", "other frames").marks] == [2_000_000]


def test_a_route_is_drawn_from_its_making_to_its_removal_and_the_wait_after_it() -> None:
    parts = (Part("gic", "interrupts"), Part("its", "interrupts"))
    trace = trace_of(
        (5, "its", -1, ev.IrqRouteMapped(60, "eth0", 1)),
        (20, "its", -1, ev.IrqRouteRemoved(60, "eth0", 1)),
        (30, "its", -1, ev.IrqRouteSynced(60, "eth0", 1)),
        (40, "its", -1, ev.IrqMessageRefused(60, "eth0", 1, "unmapped")),
        parts=parts,
    )
    track = track_of(chart_of(trace), "its", "for eth0")
    assert [(bar.kind, bar.start_ns, bar.end_ns) for bar in track.bars] == [
        ("mapped", 5, 20),
        ("invalidating", 20, 30),
    ]
    assert [(mark.at_ns, mark.kind) for mark in track.marks] == [(40, "refused")]


def test_an_interrupt_that_no_owner_ends_is_drawn_as_active_to_the_end() -> None:
    trace = trace_of(
        (5, "gic", -1, ev.IrqActivated(60, 1)),
        (9, "gic", -1, ev.IrqDeactivated(60, "owner")),
        (12, "gic", -1, ev.IrqActivated(60, 1)),
        (50, "run", -1, ev.ObservationEnded()),
        parts=(Part("gic", "interrupts"),),
    )
    bars = track_of(chart_of(trace), "gic", "irq 60 active").bars
    assert [(bar.start_ns, bar.end_ns, bar.is_open) for bar in bars] == [
        (5, 9, False),
        (12, 50, True),
    ]


def test_a_restart_that_is_given_up_is_marked_with_its_reason() -> None:
    parts = (Part("vm1", "qvm"), Part("vm1.supervisor", "supervisor"))
    trace = trace_of(
        (0, "vm1", -1, ev.VmStarted("vm1", 1)),
        (50, "vm1.supervisor", -1, ev.RestartGivenUp("vm1", 1, "memory_withheld")),
        (90, "run", -1, ev.ObservationEnded()),
        parts=parts,
    )
    (mark,) = track_of(chart_of(trace), "vm1.supervisor", "restarts").marks
    assert (mark.at_ns, mark.label) == (50, "vm1 is not restarted: memory withheld")
