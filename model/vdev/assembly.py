"""How qvm assembles the vdevs of a VM: each at its address, with the host process behind it."""

from ..host.block_server import BlockServer
from ..host.host import Host
from ..plan.system_plan import VmPlan
from ..plan.virtio_plan import AnyVdevPlan, BlockPlan, ConsolePlan, EntropyPlan, NetPlan
from ..sim.kernel import Steps
from .control import VdevControl
from .io_space import DIRECT_LENGTH, IoSpace
from .shared_memory import SharedMemoryFactory
from .site import VdevSite
from .virtio_blk import VirtioBlk
from .virtio_console import VirtioConsole
from .virtio_entropy import VirtioEntropy
from .virtio_net import VirtioNet
from .virtio_vdev import VirtioVdev

AnyVdev = VirtioVdev | SharedMemoryFactory


class Vdevs:
    """The vdevs of one VM instance.

    Attributes:
        by_name: By their name in the VM, in the order of the plan.
        io: Where the guest finds them.
        block_servers: The host drivers behind them.
        servers: Names of the host processes that the vdevs are connected to, sorted.
    """

    def __init__(self, site: VdevSite, plan: VmPlan, host: Host, lines_start: int) -> None:
        self.io = IoSpace()
        self.by_name: dict[str, AnyVdev] = {}
        for vdev_plan in plan.vdevs:
            vdev = _make_vdev(site, vdev_plan, host, self.io)
            vdev.control(VdevControl.OPTIONS_START)
            vdev.control(VdevControl.OPTIONS_END)
            self.by_name[vdev_plan.name] = vdev
            if vdev_plan.transport == "mmio":
                self.io.add_direct(vdev_plan.loc, DIRECT_LENGTH, vdev)
        # Invariant: vdevs with a forced slot come first; the others take the free slots, in order.
        for vdev_plan in sorted(plan.vdevs, key=lambda one: one.slot == 0):
            if vdev_plan.transport == "pci":
                vdev = self.by_name[vdev_plan.name]
                slot = self.io.add_function(vdev_plan.slot, vdev)
                vdev.intr = lines_start + slot
        for vdev_plan in plan.vdevs:
            is_pci = vdev_plan.transport == "pci"
            self.by_name[vdev_plan.name].control(
                VdevControl.PCI_BARS if is_pci else VdevControl.GEN_FDT
            )
        blocks = [vdev for vdev in self.virtio if isinstance(vdev, VirtioBlk)]
        self.block_servers = [block.server for block in blocks]
        self.servers = sorted({vdev.server_name for vdev in self.virtio if vdev.server_name})
        self.send_control(VdevControl.GUEST_CONFIGURED)

    def send_control(self, message: VdevControl) -> None:
        """Call the control function of every vdev with a message, in the order of the plan."""
        for vdev in self.by_name.values():
            vdev.control(message)

    @property
    def virtio(self) -> list[VirtioVdev]:
        """The vdevs with a worker thread."""
        return [vdev for vdev in self.by_name.values() if isinstance(vdev, VirtioVdev)]

    @property
    def bus_masters(self) -> list[str]:
        """Names of the controllers that write guest memory on their behalf, sorted."""
        return sorted({server.controller.name for server in self.block_servers})

    @property
    def block_server(self) -> BlockServer | None:
        """The host driver behind the first block vdev; None if there is none."""
        return self.block_servers[0] if self.block_servers else None

    def are_quiet_for(self, epoch: int) -> bool:
        """Return whether no host driver behind the vdevs has a request left of an epoch."""
        return all(server.is_quiet_for(epoch) for server in self.block_servers)

    def carry_out(self, name: str, step: str, bound_ns: int) -> Steps:
        """Do a step of the TERMINATE callback of a vdev."""
        return (yield from self.by_name[name].carry_out(step, bound_ns))

    def end_workers(self) -> None:
        """End all worker threads, as the death of the process does."""
        for vdev in self.virtio:
            vdev.end_worker("killed")

    def disconnect(self) -> None:
        """Close all connections, as the death of the process does."""
        for vdev in self.by_name.values():
            vdev.disconnect()

    def drop_vdevs(self) -> None:
        """Drop all vdevs: their threads and connections have ended."""
        self.by_name = {}
        self.io = IoSpace()


def _make_vdev(site: VdevSite, plan: AnyVdevPlan, host: Host, io: IoSpace) -> AnyVdev:
    if isinstance(plan, BlockPlan):
        return VirtioBlk(site, plan, host.servers[plan.disk])
    if isinstance(plan, NetPlan):
        return VirtioNet(site, plan, host.peers[f"{site.vm}.{plan.name}"])
    if isinstance(plan, ConsolePlan):
        return VirtioConsole(site, plan, host.peers[f"{site.vm}.{plan.name}"])
    if isinstance(plan, EntropyPlan):
        return VirtioEntropy(site, plan)
    return SharedMemoryFactory(site, plan, host.shared_memory, io)
