"""A QEMU machine without a guest: its devices, its RAM, and nothing that runs in it.

The processor halts in a boot ROM of six bytes.  RAM is a file that both sides map, so each byte
that a device writes is visible, also while QEMU works and after it has died.  Registers and
ports are reached by the qtest protocol, the machine as a whole by QMP; both are unix sockets in the
machine's own folder.
"""

import json
import mmap
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAM = "qemu-system-x86_64"
ANSWER_SECONDS_MAX = 60
"""How long an answer may take before the machine counts as stuck; a busy computer is slow."""

_HALT = b"\xfa\xf4\xeb\xfd"
"""cli; hlt; jmp to the hlt."""

_WIDTHS = {1: "b", 2: "w", 4: "l", 8: "q"}
_PORT_WIDTHS = {1: "b", 2: "w", 4: "l"}


def program_path() -> str | None:
    """Return where QEMU is, or `None` if it is not installed."""
    return shutil.which(PROGRAM)


class MappedRam:
    """The machine's RAM as a file in memory, addressed as its devices address it."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        path.write_bytes(b"")
        with path.open("r+b") as file:
            file.truncate(size)
            self.bytes = mmap.mmap(file.fileno(), size)

    def contains(self, addr: int, length: int) -> bool:
        return 0 <= addr <= self.size - length

    def read(self, addr: int, length: int) -> bytes:
        assert self.contains(addr, length), hex(addr)
        return self.bytes[addr : addr + length]

    def write(self, addr: int, data: bytes) -> None:
        assert self.contains(addr, len(data)), hex(addr)
        self.bytes[addr : addr + len(data)] = data


class LineSocket:
    """A stream of text lines."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(ANSWER_SECONDS_MAX)
        self.buffer = b""

    def send(self, line: str) -> None:
        self.connection.sendall(line.encode() + b"\n")

    def receive(self) -> str:
        while b"\n" not in self.buffer:
            piece = self.connection.recv(65536)
            if not piece:
                raise ConnectionError("QEMU has closed the connection")
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()


class QemuMachine:
    """A running machine.

    Args:
        folder: For sockets, ROM and RAM; a short path, for it becomes part of socket names.
        arguments: What is added to the command line.
        ram_size: Bytes.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        *,
        ram_size: int = 32 << 20,
        machine: str = "q35,usb=off",
    ) -> None:
        self.folder = folder
        self.ram = MappedRam(folder / "ram", ram_size)
        rom = bytearray(b"\xff" * 65536)
        rom[-16 : -16 + len(_HALT)] = _HALT
        (folder / "rom").write_bytes(rom)
        listeners = {name: _listener(folder / name) for name in ("qtest", "qmp")}
        backend = f"memory-backend-file,id=ram0,size={ram_size},mem-path={folder}/ram,share=on"
        command = [
            PROGRAM,
            "-nodefaults",
            "-no-user-config",
            *("-display", "none"),
            *("-object", backend),
            *("-machine", f"{machine},memory-backend=ram0"),
            *("-accel", "tcg"),
            *("-m", f"{ram_size}b"),
            *("-bios", f"{folder}/rom"),
            *("-qtest", f"unix:{folder}/qtest"),
            *("-qtest-log", "none"),
            *("-qmp", f"unix:{folder}/qmp"),
            *arguments,
        ]
        self.log = (folder / "log").open("w+b")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        try:
            self.qtest = LineSocket(self._accept(listeners["qtest"]))
            self.monitor = LineSocket(self._accept(listeners["qmp"]))
            self.events: list[dict[str, Any]] = []
            self.interrupts: list[tuple[int, bool]] = []
            """Edges of intercepted lines since the last look: number, raised or lowered."""
            json.loads(self.monitor.receive())  # the greeting
            self.qmp("qmp_capabilities")
        except OSError as error:
            self.kill()
            raise ConnectionError(f"QEMU did not start: {self.said()}") from error

    def _accept(self, listener: socket.socket) -> socket.socket:
        listener.settimeout(0.1)
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        with listener:
            while time.monotonic() < deadline:
                try:
                    return listener.accept()[0]
                except TimeoutError:
                    if self.process.poll() is not None:
                        break
        raise ConnectionError("no connection")

    def said(self) -> str:
        """Return what QEMU has written to its standard output and error."""
        return (self.folder / "log").read_text(errors="replace")

    def kill(self) -> None:
        """End the machine, by its own process id, and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        self.log.close()
        for connection in (getattr(self, "qtest", None), getattr(self, "monitor", None)):
            if connection is not None:
                connection.connection.close()

    # Registers, by physical address and by port.

    def ask(self, command: str) -> str:
        """Send a qtest command and return what follows its OK."""
        self.qtest.send(command)
        while True:
            words = self.qtest.receive().split()
            if words[0] == "IRQ":
                self.interrupts.append((int(words[2]), words[1] == "raise"))
                continue
            assert words[0] == "OK", (command, words)
            return words[1] if len(words) > 1 else ""

    def memory_read(self, addr: int, length: int) -> int:
        return int(self.ask(f"read{_WIDTHS[length]} {addr:#x}"), 16)

    def memory_write(self, addr: int, length: int, value: int) -> None:
        self.ask(f"write{_WIDTHS[length]} {addr:#x} {value:#x}")

    def port_read(self, port: int, length: int) -> int:
        return int(self.ask(f"in{_PORT_WIDTHS[length]} {port:#x}"), 16)

    def port_write(self, port: int, length: int, value: int) -> None:
        self.ask(f"out{_PORT_WIDTHS[length]} {port:#x} {value:#x}")

    def barrier(self) -> None:
        """Return when the main loop has done what it was doing."""
        self.ask("endianness")

    # The machine as a whole.

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Carry out a QMP command; underscores in argument names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self.monitor.send(json.dumps({"execute": command, "arguments": named}))
        while True:
            answer = json.loads(self.monitor.receive())
            if "event" in answer:
                self.events.append(answer)
                continue
            assert "return" in answer, (command, answer)
            return answer["return"]

    def wait_for_event(self, name: str) -> dict[str, Any]:
        """Return the next QMP event of a name, also one that has come already."""
        while True:
            for position, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(position)
            answer = json.loads(self.monitor.receive())
            assert "event" in answer, answer
            self.events.append(answer)

    def system_reset(self) -> None:
        """Reset the whole machine; what RAM holds stays."""
        self.qmp("system_reset")
        self.wait_for_event("RESET")


def _listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)
    return listener
