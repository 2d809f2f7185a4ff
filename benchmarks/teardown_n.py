"""A family of teardowns that grows: n devices write memory while their VM ends.

Each device repeats three times: wait 2..5, issue a write, which lands 1..3 later.  The guest
crashes once at an instant in 0..20, which is detected 0..2 later.  Then come the callbacks of
devices 1..n in order, each 1..2, at whose end that device issues no more; then a drain of D; then
the release.  Safe for D > 3, violated for D <= 3, and violated without any one of the callbacks.
The longest way from crash to release is 2 + 2n + D.

    python benchmarks/teardown_n.py [--n N] [--drain D] [--nostop K] [--no-slicing] [--jobs N]
        [--json]

Without slicing the prover finds the verdict alone, unless `--distances` asks for more.
"""

import argparse
import json
import resource
import time

import networkx

from quiesce.model.base.clock import Span, exactly
from quiesce.model.dense.scout import suspected
from quiesce.model.dense.step import MakeStopwatch, MakeWatch
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import DmaLanded, FramesReleased, TerminationBegun
from quiesce.properties.prove.layout import Clocks
from quiesce.properties.prove.model_proof import proof_of, search_of
from quiesce.properties.prove.slices import Claim, prove_claims
from quiesce.properties.prove.watches import Distance, NeverAfter, event_is
from quiesce.scenarios.prove.dense import system_of

ROUNDS = 3
WAIT = Span(2, 5)
LANDING = Span(1, 3)
CRASH = Span(0, 20)
DETECTION = Span(0, 2)
CALLBACK = Span(1, 2)

CRASH_TO_RELEASE = "crash to release"
MARGIN = "last landing to release"

CLASSES_MAX = 10_000_000
"""Symbolic states of one search, at most."""


class WritingHardware(Component):
    """A device that writes three times unless it is stopped.

    Attributes:
        is_stopped: Whether it issues no more.
    """

    def __init__(self, kernel: Kernel, name: str, timing: Timing) -> None:
        super().__init__(kernel, name, timing)
        self.is_stopped = False
        self.start(self._write)

    def stop(self) -> None:
        """Issue no more; what has left the device lands."""
        self.is_stopped = True

    def _write(self) -> Steps:
        for _ in range(ROUNDS):
            yield self.kernel.delay(WAIT, f"{self.name}.wait")
            if self.is_stopped:
                return
            yield self.kernel.delay(LANDING, f"{self.name}.landing")
            self.emit(DmaLanded(self.name, 1, 0, 1, "data"))


class DyingQvm(Component):
    """A process whose guest crashes, and that then tears down."""

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        devices: list[WritingHardware],
        drain: int,
        nostop: int | None,
    ) -> None:
        super().__init__(kernel, "qvm", timing)
        self.devices = devices
        self.drain = drain
        self.nostop = nostop
        self.start(self._live)

    def _live(self) -> Steps:
        yield self.kernel.delay(CRASH, "qvm.crash")
        self.emit(TerminationBegun("vm", 1, "guest-crash", True))
        yield self.kernel.delay(DETECTION, "qvm.detection")
        for number, device in enumerate(self.devices, 1):
            if number != self.nostop:
                yield self.kernel.delay(CALLBACK, f"qvm.callback{number}")
                device.stop()
        yield self.kernel.delay(exactly(self.drain), "qvm.drain")
        self.emit(FramesReleased("vm", 1, 0, 1))


class Family:
    """One member of the family: how to build it, its wiring and its claims."""

    def __init__(self, n: int, drain: int, nostop: int | None = None) -> None:
        self.n = n
        self.drain = drain
        self.nostop = nostop
        self.names = [f"device{number}" for number in range(1, n + 1)]
        self._timing = Timing()

    def build(self, kernel: Kernel) -> None:
        """Build it in a kernel."""
        devices = [WritingHardware(kernel, name, self._timing) for name in self.names]
        DyingQvm(kernel, self._timing, devices, self.drain, self.nostop)

    def wiring(self) -> "networkx.DiGraph[str]":
        """Return who can influence whom."""
        graph: networkx.DiGraph[str] = networkx.DiGraph()
        graph.add_edges_from(("qvm", name) for name in self.names)
        return graph

    def claims(self) -> list[Claim]:
        """Return one claim for each device."""
        crash, release = event_is(TerminationBegun), event_is(FramesReleased)
        longest = lambda: Distance(CRASH_TO_RELEASE, crash, release)  # noqa: E731
        claims = [Claim((), (longest,), ("qvm",))]
        # The device that is stopped last has the least time left, so a fault shows there first.
        for name in reversed(self.names):
            landing = event_is(DmaLanded, sources=[name])
            watch = lambda name=name, landing=landing: NeverAfter(  # noqa: E731
                f"no landing of {name} after release", landing, release
            )
            margin = lambda name=name, landing=landing: Distance(  # noqa: E731
                f"{name}: {MARGIN}", landing, release
            )
            claims.append(Claim((watch,), (margin,), (name, "qvm")))
        return claims


def measured(
    family: Family,
    *,
    is_sliced: bool,
    in_parts: bool = True,
    has_distances: bool = True,
    jobs: int = 1,
) -> dict[str, object]:
    """Prove one member, and return the figures."""
    started_s = time.monotonic()
    claims = family.claims()
    if is_sliced:
        found = prove_claims(
            claims,
            lambda watches, stopwatches, left_out: system_of(
                family.build, watches, stopwatches, in_parts=True, left_out=left_out
            ),
            family.wiring(),
            jobs=jobs,
            suspects=_suspects(family, claims),
        )
        verdict, classes = found.verdict, found.classes
        bounds = {name: (each.least_ns, each.greatest_ns) for name, each in found.ranges.items()}
    else:
        watches = [make for claim in claims for make in claim.watches]
        # A running stopwatch tells classes apart, so each distance has a search of its own.
        searches: list[tuple[list[MakeWatch], list[MakeStopwatch]]] = [(watches, [])]
        if has_distances:
            searches += [([], list(claim.stopwatches)) for claim in claims]
        clocks = Clocks.PER_PART if in_parts else Clocks.GLOBAL
        classes, bounds, verdict = 0, {}, "proved"
        for some_watches, stopwatches in searches:
            system = system_of(family.build, some_watches, stopwatches, in_parts=in_parts)
            search = search_of(system, stopwatches, clocks=clocks)
            search.run(CLASSES_MAX)
            proof = proof_of(search, system)
            classes += proof.classes
            bounds |= {
                name: (each.least.ns, each.greatest.ns) for name, each in proof.ranges.items()
            }
            if proof.verdict != "proved":
                verdict = proof.verdict
                break
    seconds = time.monotonic() - started_s
    longest = bounds.get(CRASH_TO_RELEASE)
    margins = [least_ns for name, (least_ns, _) in bounds.items() if name.endswith(MARGIN)]
    is_proved = verdict == "proved"
    return {
        "verdict": verdict,
        "classes": classes,
        "classes_per_s": round(classes / seconds),
        "seconds": round(seconds, 3),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "longest_crash_to_release": longest[1] if longest and is_proved else None,
        "margin": min(margins, default=None) if is_proved else 0,
    }


def _suspects(family: Family, claims: list[Claim]) -> list[int]:
    numbered = [(number, make) for number, claim in enumerate(claims) for make in claim.watches]
    broken = suspected(family.build, [make for _, make in numbered], ["qvm"])
    return [numbered[at][0] for at in broken[:1]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Prove a member of the teardown family.")
    parser.add_argument("--n", type=int, default=3, help="devices")
    parser.add_argument("--drain", type=int, default=4, help="how long is waited before release")
    parser.add_argument("--nostop", type=int, help="leave out this callback")
    parser.add_argument("--no-slicing", action="store_true", help="explore the whole product")
    parser.add_argument("--every-order", action="store_true", help="without the reduction as well")
    parser.add_argument(
        "--distances", action="store_true", help="measure distances without slicing, too"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the slices")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    figures = measured(
        Family(asked.n, asked.drain, asked.nostop),
        is_sliced=not (asked.no_slicing or asked.every_order),
        in_parts=not asked.every_order,
        has_distances=asked.distances,
        jobs=asked.jobs,
    )
    if asked.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:26} {value}")


if __name__ == "__main__":
    main()
