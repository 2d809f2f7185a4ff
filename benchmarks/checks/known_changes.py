"""Makes known wrong changes to the code, one at a time, and checks that a test notices each.

    python benchmarks/checks/known_changes.py [WORD ...]

The check makes each change in a copy of the tree, runs the tests that are named with it, and takes
the change back.  With words, it makes only the changes whose names contain one of them.  Exit
status 1 if a change survives or does not fit the code any more.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 300


class Change(NamedTuple):
    """In a file, `right` becomes `wrong`; some of the tests must notice."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str


CHANGES = (
    Change("what only the end of a run shows is ignored",
           "properties/prove/zone_search.py", 'if word == "violated":', 'if word == "never":',
           "tests/properties/core/test_endings.py"),
    Change("what only the end of a trace shows is ignored",
           "properties/core/monitor.py", "count = self.violation_count + len(closing.violations)",
           "count = self.violation_count", "tests/properties/core/test_endings.py"),
    Change("contents of a mailbox are no part of a fingerprint",
           "model/dense/encoder.py", "encoder.each([item for item, _ in items])",
           "encoder.each([None for item, _ in items])", "tests/dense/test_counters.py"),
    Change("the name of a method is no part of a fingerprint",
           "model/dense/value_encoders.py", 'encoder.tokens[("method", key), 1]',
           'encoder.tokens[("method", owner), 1]', "tests/dense/test_counters.py"),
    Change("instants are never watched all the time",
           "properties/prove/system_proof.py", "if proof.is_whole and not _parts_late(",
           "if False and not _parts_late(", "tests/properties/core/test_endings.py"),
    Change("callbacks of other slices take no time",
           "scenarios/prove/plan_slices.py",
           "lo_ns, hi_ns = lo_ns + span.lo_ns, hi_ns + span.hi_ns",
           "lo_ns, hi_ns = lo_ns, hi_ns", "tests/scenarios/prove/test_plan_slices.py"),
    Change("callbacks of hardware in other slices take no time",
           "scenarios/prove/plan_slices.py", "return Span(0, plan.horizon_ns)", "return Span(0, 0)",
           "tests/scenarios/prove/test_plan_slices.py"),
    Change("a landing is measured once only",
           "properties/prove/measures.py", "return [turn, Turn(frame, is_started=True)]",
           "return [Turn(frame, is_started=True)]", "tests/properties/prove/test_measures.py"),
    Change("a further landing in a frame does not start the measure again",
           "properties/prove/measures.py",
           "if turn.mode == frame:\n        return [Turn(frame, is_started=True)]",
           "if turn.mode == frame:\n        return [turn]",
           "tests/properties/prove/test_measures.py"),
    Change("writes of a CPU leave no marks",
           "properties/prove/judging.py",
           "| CpuWriteLanded(writer=writer, epoch=epoch, addr=addr)", "",
           "tests/properties/prove/test_measures.py"),
    Change("a flush does not wait for writes that arrive",
           "model/bus/fabric.py", "while self.posted or self.arriving:", "while self.posted:",
           "tests/model/test_small_rules.py"),
    Change("a mapped range has no length",
           "model/bus/stream.py", "addr + length <= start + size", "addr <= start + size",
           "tests/model/test_small_rules.py"),
    Change("a translated write is recorded without its length",
           "model/bus/iommu.py", "self.emit(DmaTranslated(master, epoch, addr, host_addr, length))",
           "self.emit(DmaTranslated(master, epoch, addr, host_addr, 0))",
           "tests/model/test_small_rules.py"),
    Change("the epoch of a line that is held is overwritten",
           "model/interrupts/interrupt_controller.py",
           "if device not in line.asserted_by and device not in",
           "if device not in", "tests/model/test_small_rules.py"),
    Change("a detach does not wait for RWP",
           "model/host/procnto.py",
           "yield self._mask_at_last_detach(intid)", 'self._mask(intid, "last detach")',
           "tests/model/test_small_rules.py"),
    Change("a later time-out undoes the quarantine",
           "model/machine/qvm.py", 'self.quarantines |= callback.on_timeout == "quarantine"',
           'self.quarantines = callback.on_timeout == "quarantine"',
           "tests/stories/test_callbacks.py"),
    Change("the reversed order of callbacks is never carried out",
           "model/machine/qvm.py", "callbacks = callbacks[::-1]", "callbacks = callbacks[::1]",
           "tests/stories/test_callbacks.py"),
    Change("a device is idle although writes are outstanding",
           "model/hardware/physical_device.py",
           "return not self.has_unfinished and self.port.outstanding == 0",
           "return not self.has_unfinished", "tests/model/test_small_rules.py"),
    Change("one write more may be outstanding",
           "model/bus/dma_engine.py", "while port.outstanding >= self.outstanding_max:",
           "while port.outstanding > self.outstanding_max:", "tests/model/test_small_rules.py"),
    Change("a NIC is idle while it stores a frame",
           "model/hardware/nic.py", "(not self.is_storing and self.is_idle)", "self.is_idle",
           "tests/model/test_small_rules.py"),
    Change("a second end begins while resources are released",
           "model/machine/qvm.py", "if self.state in {QvmState.RELEASING, QvmState.EXITED}:",
           "if self.state in {QvmState.EXITED}:", "tests/stories/test_callbacks.py"),
    Change("a master reaches the frame behind a range",
           "properties/trackers/bus_masters.py",
           "any(first <= frame < end", "any(first <= frame <= end",
           "tests/properties/trackers/test_trackers.py"),
    Change("a second interrupt makes forgotten whose answer is awaited",
           "properties/trackers/interrupt_lines.py", "line.awaited += [", "line.awaited = [",
           "tests/properties/trackers/test_trackers.py"),
)  # fmt: skip


def notices(change: Change, tree: Path) -> bool:
    """Return whether the tests fail with the change."""
    path = tree / change.file
    text = path.read_text()
    if text.count(change.right) != 1:
        message = f"{change.name}: {change.file} has {text.count(change.right)} such places"
        raise SystemExit(message)
    path.write_text(text.replace(change.right, change.wrong))
    try:
        return not passes(change.tests, tree)
    finally:
        path.write_text(text)


def passes(tests: str, tree: Path) -> bool:
    """Return whether tests pass in a tree."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(tree / ".src"), "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run(
        [*command, *tests.split()],
        cwd=tree,
        env=environment,
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert found.returncode in {0, 1, 2}, found.stderr.decode()
    return found.returncode == 0


def copied(tree: Path) -> None:
    """Copy all that the tests need."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        source = ROOT / name
        if source.is_symlink() or source.is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / name, follow_symlinks=False)


def main() -> int:
    """Make the changes, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    words = parser.parse_args().words
    changes = [each for each in CHANGES if not words or any(word in each.name for word in words)]
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copied(tree)
        for tests in dict.fromkeys(each.tests for each in changes):
            assert passes(tests, tree), f"{tests} fails without any change"
        for change in changes:
            is_noticed = notices(change, tree)
            print(f"{'noticed ' if is_noticed else 'SURVIVES'}  {change.name}", flush=True)
            if not is_noticed:
                survivors.append(change)
    print(f"{len(changes) - len(survivors)} of {len(changes)} are noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
