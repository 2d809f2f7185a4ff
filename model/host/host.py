"""The host: hardware, host kernel and host processes, which outlive every VM."""

from ..base.addresses import HOST_EPOCH
from ..base.clock import Span
from ..bus.fabric import Fabric, Port
from ..bus.iommu import Iommu
from ..bus.memory import PhysicalMemory
from ..hardware.physical_device import PhysicalDevice, Wiring
from ..hardware.procedure import AnyDevice
from ..hardware.redistributor import NAME as REDISTRIBUTOR
from ..hardware.redistributor import TABLE_LENGTH, Redistributor
from ..hardware.registry import kind_of_plan
from ..interrupts.interrupt_controller import InterruptController
from ..interrupts.message_router import MessageRouter
from ..interrupts.virtual_interface import VirtualInterface
from ..plan.system_plan import SystemPlan
from ..sim.kernel import Kernel
from .block_server import BlockServer, ServerSite
from .block_servers import BLOCK_SERVERS
from .faulty_agents import HealthMonitor
from .peer import Peer, traffic_of
from .power import Power
from .procnto import HostKernel
from .shared_memory import SharedMemoryPool
from .smmuman import Smmuman
from .user_back_end import UserBackEnd

DRIVER_MEMORY_START = 0xF0_0000_0000
"""Where the host's drivers have their memory; VMs never get it."""

DRIVER_MEMORY_SIZE = 64 << 20
"""Bytes of it for each driver."""

SHARED_MEMORY_START = 0xE0_0000_0000
"""Where memory lies that guests share with each other; it belongs to the host."""

PENDING_TABLE_START = 0xE8_0000_0000
"""Where the LPI pending table lies if it lies in memory of the host."""

VM_MEMORY_START = 0x80_0000_0000
"""Where guest RAM that is not unity-mapped comes from; unity-mapped RAM lies below."""


class Host:
    """Hardware, host kernel and host processes of a system.

    Attributes:
        devices: Devices that can be passed through, by name.
        servers: Block drivers, by the name of their disk.
        back_ends: Back ends in processes of their own, which map guest memory, by name.
        peers: Processes that send unsolicited messages to vdevs, by the name of the vdev.
        power: The shutdown and the reset of the host.
        shared_memory: The regions of memory that guests share.
        redistributor: The bus master that writes the LPI pending table; None without LPIs.
        virtual_interfaces: List registers, by VM; none without a GIC.
        callback_spans: By VM and vdev, callbacks of which only the duration matters; see
            `model/machine/system.build`.
        epochs: How many VM instances there have been.
    """

    def __init__(self, kernel: Kernel, plan: SystemPlan) -> None:
        timing, faults = plan.timing, plan.faults
        self.faults = faults
        self.kernel = kernel
        self.timing = timing
        self.memory = PhysicalMemory(kernel, timing)
        self.controller = InterruptController(kernel, timing, plan.interrupts)
        self.unmasked_at_once = plan.interrupts.unmasked_at_once
        self.iommu = Iommu(kernel, timing, plan.iommu_unit) if plan.iommu else None
        self.smmuman = Smmuman(kernel, timing, self.iommu, faults) if self.iommu else None
        self.host_kernel = HostKernel(kernel, timing, self.controller, faults)
        self.redistributor: Redistributor | None = None
        self.has_guest_table = plan.has_guest_table
        self._route_messages(plan)
        fabric = Fabric(self.memory, self.controller, self.iommu)
        unconfined = Fabric(self.memory, self.controller, None)
        self.devices: dict[str, AnyDevice] = {}
        for device in plan.passable:
            reachable = fabric if plan.is_confined(device.name) else unconfined
            port = Port(kernel, device.name, timing, reachable)
            wiring = Wiring(port, self.controller, device.intid, device.trigger)
            made = kind_of_plan(type(device)).device(kernel, timing, device, wiring)
            self.devices[device.name] = made
        self.is_detailed = plan.detail == "virtio"
        self.servers: dict[str, BlockServer] = {}
        for number, disk in enumerate(plan.disks):
            base = DRIVER_MEMORY_START + number * DRIVER_MEMORY_SIZE
            site = ServerSite(self.host_kernel, self.memory, base, self.is_detailed)
            port = Port(kernel, disk.name, timing, fabric)
            server = BLOCK_SERVERS[disk.kind]
            self.servers[disk.name] = server(kernel, timing, disk, port, self.controller, site)
        self.peers = {
            f"{vm.name}.{vdev.name}": Peer(
                kernel, timing, f"{vm.name}.{vdev.name}", traffic_of(vdev)
            )
            for vm in plan.vms
            for vdev in vm.peered
        }
        self.back_ends = {
            one.name: UserBackEnd(kernel, timing, one, self.memory) for one in plan.back_ends
        }
        self.shared_memory = SharedMemoryPool(self.memory, SHARED_MEMORY_START)
        self.monitors: list[HealthMonitor] = []
        if faults.resurrecting_agent:
            devices = [one for one in self.devices.values() if isinstance(one, PhysicalDevice)]
            self.monitors = [HealthMonitor(kernel, timing, devices)]
        self.virtual_interfaces = {
            vm.name: VirtualInterface(kernel, timing, vm.name)
            for vm in plan.vms
            if plan.interrupts.is_gic and vm.passed_through
        }
        self.power = self._build_power()
        self.callback_spans: dict[tuple[str, str], Span] = {}
        self.epochs = 0
        self._next_vm_memory = VM_MEMORY_START

    def _build_power(self) -> Power:
        power = Power(self.kernel, self.timing)
        power.devices = list(self.devices.values())
        power.devices += [server.controller for server in self.servers.values()]
        if self.redistributor is not None:
            power.devices.append(self.redistributor)
        power.processes = [*self.servers.values(), *self.peers.values(), *self.back_ends.values()]
        power.processes += self.monitors
        if self.smmuman is not None:
            power.processes.append(self.smmuman)
        return power

    def _route_messages(self, plan: SystemPlan) -> None:
        """Set up the router from messages to vectors, and the redistributor with its LPI table."""
        kernel, timing, interrupts = self.kernel, self.timing, plan.interrupts
        if interrupts.routes != "none":
            self.controller.router = MessageRouter(
                kernel, timing, interrupts, self.controller, plan.faults
            )
        if not (interrupts.has_lpis or plan.faults.hidden_master):
            return
        past_iommu = Fabric(self.memory, self.controller, None)
        self.redistributor = Redistributor(
            kernel,
            timing,
            Port(kernel, REDISTRIBUTOR, timing, past_iommu),
            self.controller.router,
            writes_continuously=plan.faults.hidden_master,
            accepts_while_disabled=plan.faults.route_cache_kept,
        )
        if interrupts.has_lpis:
            self.controller.redistributor = self.redistributor
        if not plan.has_guest_table:
            self.memory.commit(PENDING_TABLE_START, TABLE_LENGTH)
            self.redistributor.use_table(HOST_EPOCH, PENDING_TABLE_START)

    def port_of(self, master: str) -> Port | None:
        """Return the port of a bus master; None for a name that is no bus master."""
        if master in self.devices:
            return self.devices[master].port
        if master in self.servers:
            return self.servers[master].controller.port
        redistributor = self.redistributor
        if redistributor is not None and redistributor.name == master:
            return redistributor.port
        return None

    def silence(self, actor: str) -> None:
        """Stop all writes and interrupts of a device or a host thread from here on."""
        port = self.port_of(actor)
        if port is not None:
            port.silence()
        self.memory.silence(actor)
        self.controller.silence(actor)

    def cut(self, master: str) -> None:
        """Stop all writes of a bus master that have not been translated yet."""
        port = self.port_of(master)
        if port is not None:
            port.cut()

    def next_epoch(self) -> int:
        """Return the number of a new VM instance."""
        self.epochs += 1
        return self.epochs

    def reserve_vm_memory(self, length: int) -> int:
        """Return the start of host memory for the RAM of one VM."""
        start = self._next_vm_memory
        self._next_vm_memory += length
        return start
