"""A machine with one busy network controller, as files: its writes are certain to be seen."""

MACHINE = """\
system guest1
ram 0x80000000,4M
pass loc mem:0x1b000000,0x20000,rw=0x1b000000
        intr gic:44=179
vdev quiesce-dev
        name quiesce-dev0
"""

BARE = """\
configuration = "guest.qvmconf"
observe = "3ms"

[platform]
iommu = "none"

[[platform.device]]
kind = "nic"
name = "eth0"
ring_size = 16

[workload.eth0]
gap = "20us..60us"

[end]
cause = "guest-crash"
after = { event = "DmaLanded", source = "memory", count = 5, delay = "10us..90us" }

[timing]
guest_boot = "100us..300us"
process_exit_base = "10us..50us"
release_skew = "0ns..5us"
guest_shutdown = "1ms..2ms"
"""
"""It is left alone when its guest ends, and its frames go on arriving."""

CARED_FOR = BARE + '\n[[quiesce]]\nvdev = "quiesce-dev0"\ndevice = "eth0"\n'
"""A vdev follows the documented procedure on it."""


def ended_by(cause: str, text: str) -> str:
    """Return the scenario with another cause of the end."""
    assert 'cause = "guest-crash"' in text
    return text.replace('cause = "guest-crash"', f'cause = "{cause}"')
