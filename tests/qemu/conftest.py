"""QEMU machines for tests: started once, killed by their own process id, skipped where missing."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .block_pair import BlockPair
from .machine import PROGRAM, QemuMachine, program_path

MachineMaker = Callable[..., QemuMachine]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and say why where it cannot run."""
    here = Path(__file__).parent
    missing = program_path() is None
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.qemu)
            if missing:
                reason = f"{PROGRAM} is not installed (Debian package qemu-system-x86)"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def start_machine() -> Iterator[MachineMaker]:
    """Make machines; all of them end with the session."""
    with ExitStack() as stack:

        def start(arguments: Sequence[str], **options: Any) -> QemuMachine:
            # Not pytest's folder: a socket's name may have 107 bytes.
            folder = Path(tempfile.mkdtemp(prefix="quiesce-qemu-"))
            stack.callback(shutil.rmtree, folder)
            machine = QemuMachine(folder, arguments, **options)
            stack.callback(machine.kill)
            return machine

        yield start


@pytest.fixture(scope="session")
def block_pair(start_machine: MachineMaker) -> BlockPair:
    """Give the model's block device and QEMU's, ready to be compared."""
    return BlockPair(start_machine)
