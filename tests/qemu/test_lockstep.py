"""Any sequence of driver actions, on our virtio-blk and on QEMU's, compared after each action.

Set QUIESCE_QEMU_SEQUENCES to compare more of them than is done by default.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from quiesce.model.virtio.block_format import (
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_DISCARD,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_WRITE_ZEROES,
)
from quiesce.model.virtio.block_format import BlockRequestType as Kind
from quiesce.model.virtio.features import (
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_RING_RESET,
)

from .actions import (
    SLOT_DATA_MAX,
    Action,
    Allow,
    Collect,
    Corrupt,
    Initialise,
    Kick,
    KickAndReset,
    MaskVector,
    Misbehave,
    ReadIsr,
    Reset,
    ResetQueue,
    SetWriteback,
    Submit,
    Suppress,
)
from .block_pair import CAPACITY, BlockPair
from .corruptions import CORRUPTIONS
from .misbehaviour import MISBEHAVIOUR

SEQUENCES = int(os.environ.get("QUIESCE_QEMU_SEQUENCES", "1000"))

RING_BITS = (
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_RING_RESET,
)
BLOCK_BITS = (
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_DISCARD,
    VIRTIO_BLK_F_WRITE_ZEROES,
)

sectors = st.one_of(
    st.integers(0, CAPACITY - 1),
    st.sampled_from([CAPACITY - 1, CAPACITY, 1 << 32, 1 << 55, (1 << 64) - 1]),
)
lengths = st.one_of(
    st.integers(1, SLOT_DATA_MAX // 512).map(lambda count: 512 * count),
    st.sampled_from([1, 20, 511, 513, 1000]),
)
cuts = st.sampled_from([(16,), (), (3, 16), (16, 100), (1, 2, 16, 528), (16, 17, 18, 529)])


def requests() -> st.SearchStrategy[Submit]:
    """Give requests of every kind, mostly such as a sound driver sends."""
    transfer = st.builds(
        Submit,
        kind=st.sampled_from([Kind.IN, Kind.OUT]),
        sector=sectors,
        length=lengths,
        fill=st.integers(1, 255),
        cuts=cuts,
        indirect=st.booleans(),
    )
    segments = st.builds(
        Submit,
        kind=st.sampled_from([Kind.DISCARD, Kind.WRITE_ZEROES]),
        length=st.sampled_from([16] * 6 + [15, 24, 32]),
        segment=st.tuples(
            st.integers(0, CAPACITY), st.integers(0, 16), st.sampled_from([0] * 3 + [1, 2, 3])
        ),
        indirect=st.booleans(),
    )
    plain = st.builds(
        Submit,
        kind=st.sampled_from([Kind.FLUSH] * 3 + [Kind.GET_ID]),
        sector=st.sampled_from([0] * 5 + [1]),
        length=st.just(20),
        indirect=st.booleans(),
    )
    odd = st.builds(
        Submit,
        kind=st.sampled_from([2, 3, 5, 9, 10, 12, 14, 15, 99, 0x8000_0000, 0x8000_0001]),
        sector=sectors,
        length=lengths,
    )
    return st.one_of(transfer, transfer, transfer, segments, plain, odd)


initialisations = st.builds(
    Initialise,
    bits=st.frozensets(st.sampled_from(RING_BITS + BLOCK_BITS)),
    queue_size=st.sampled_from([4, 5, 8, 13, 16, 64, 256]),
    msix=st.booleans(),
    mapped=st.sampled_from([True, True, False]),
)

actions: st.SearchStrategy[Action] = st.one_of(
    requests(),
    requests(),
    requests(),
    st.builds(Kick, st.booleans()),
    st.just(Kick()),
    st.just(Collect()),
    st.just(Collect()),
    st.sampled_from([Suppress(), Allow(), ReadIsr(), MaskVector(True), MaskVector(False)]),
    st.sampled_from([SetWriteback(0), SetWriteback(1), ResetQueue(), KickAndReset(), Reset()]),
    st.builds(Corrupt, st.sampled_from(CORRUPTIONS), st.booleans()),
    initialisations,
    st.builds(Misbehave, st.sampled_from(list(MISBEHAVIOUR))),
)


@pytest.mark.slow
@settings(
    max_examples=SEQUENCES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(first=initialisations, rest=st.lists(actions, min_size=6, max_size=24))
def test_any_sequence_of_actions_shows_known_differences_only(
    block_pair: BlockPair, first: Initialise, rest: list[Action]
) -> None:
    block_pair.run([first, *rest])
