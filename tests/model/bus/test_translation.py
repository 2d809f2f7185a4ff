"""What IOMMU and devices remember, without a run: streams, fault records, device caches."""

import pytest

from quiesce.model.bus.device_cache import DeviceCache
from quiesce.model.bus.fault_queue import FaultQueue
from quiesce.model.bus.stream import Map, Stream, StreamMode
from quiesce.model.plan.iommu_plan import IommuPlan, iommu_of

A = Map(0x8000_0000, 0x1000, 0x1000, "eth0", 1)
B = Map(0x9000_0000, 0x5000, 0x1000, "eth1", 2)
SAME_AS_A = A._replace(master="eth1")


def shared(*maps: Map) -> Stream:
    stream = Stream(("eth0", "eth1"))
    for each in maps:
        stream.add(each)
    return stream


def test_a_shared_stream_reaches_what_any_of_its_masters_was_given() -> None:
    stream = shared(A, B)
    assert stream.translate(0x8000_0010, 8) == 0x1010
    assert stream.translate(0x9000_0010, 8) == 0x5010


def test_the_same_memory_mapped_for_two_functions_is_news_once() -> None:
    stream = shared()
    assert [stream.add(A), stream.add(SAME_AS_A), stream.add(B)] == [True, False, True]


def test_memory_stays_in_reach_until_the_last_function_of_its_vm_is_removed() -> None:
    stream = shared(A, SAME_AS_A)
    stream.remove("eth0")
    assert stream.reaches(1)
    stream.remove("eth1")
    assert not stream.reaches(1)


def test_abandoned_maps_go_with_the_last_map_in_use() -> None:
    stream = shared(A, B)
    stream.abandon("eth0")
    assert stream.translate(0x8000_0010, 8) == 0x1010
    assert not stream.others("eth1")
    stream.remove("eth1")
    assert stream.maps == []


def test_a_stream_serves_others_only_if_another_vm_has_maps() -> None:
    assert shared(A, B).serves_others("eth0", 1)
    assert not shared(A, SAME_AS_A).serves_others("eth0", 1)


def test_a_refused_stream_reaches_nothing_although_maps_of_others_are_left() -> None:
    stream = shared(A, B)
    stream.mode = StreamMode.REFUSED
    assert stream.translate(0x9000_0010, 8) is None


@pytest.mark.parametrize(("checks", "passes"), [(True, False), (False, True)])
def test_a_refused_stream_stops_translated_requests_only_if_they_are_looked_up(
    checks: bool, passes: bool
) -> None:
    stream = shared(A)
    stream.mode = StreamMode.REFUSED
    assert stream.passes_translated  # until its cached entry is invalidated
    stream.forget_entry(checks=checks)
    assert stream.passes_translated is passes


@pytest.mark.parametrize("mode", [StreamMode.UNRESTRICTED, StreamMode.REFUSED])
def test_a_reset_stream_does_what_an_unprogrammed_one_does(mode: StreamMode) -> None:
    stream = shared(A)
    stream.translate(0x8000_0000, 8)
    stream.reset(mode)
    fresh = Stream(("eth0", "eth1"), mode)
    assert vars(stream) == vars(fresh)


def test_a_full_event_queue_records_again_as_soon_as_it_is_read() -> None:
    queue = FaultQueue(2, overflow_stops=False)
    assert [queue.record(1) for _ in range(3)] == [True, True, False]
    assert queue.take() == [1, 1]
    assert queue.has_overflowed
    assert queue.record(2)


def test_recording_registers_stay_shut_until_the_overflow_flag_is_cleared() -> None:
    queue = FaultQueue(1, overflow_stops=True)
    assert [queue.record(1), queue.record(1)] == [True, False]
    queue.take()
    assert not queue.record(1)
    assert queue.clear_overflow()
    assert queue.record(1)
    assert not queue.clear_overflow()


def test_a_device_cache_knows_whole_frames() -> None:
    cache = DeviceCache()
    cache.keep(0x8000_0010, 0x1010)
    assert cache.find(0x8000_0FF8) == 0x1FF8
    assert cache.find(0x8000_1000) is None
    cache.clear()
    assert cache.find(0x8000_0010) is None


def test_the_kinds_differ_where_their_architectures_do() -> None:
    smmu, vtd = iommu_of("smmuv3"), iommu_of("vt-d")
    assert smmu == IommuPlan()
    assert (smmu.kind.sync_drains, vtd.kind.sync_drains) == (True, False)
    assert (smmu.checks_translated, vtd.checks_translated) == (False, True)
    assert (smmu.kind.confines_soc, vtd.kind.confines_soc) == (True, False)
    assert smmu.fault_records > vtd.fault_records


@pytest.mark.parametrize(
    "wrong",
    [
        {"flavour": "amd-vi"},
        {"unprogrammed": "ask"},
        {"groups": (("eth0", "eth1"), ("eth1", "eth2"))},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        IommuPlan(**wrong)  # type: ignore[arg-type]
