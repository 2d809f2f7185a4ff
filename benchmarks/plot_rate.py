"""Measures how long the pictures of a run take, for runs of growing length.

    python benchmarks/plot_rate.py [--json]

The runs are those of a NIC that no software stops, observed for longer and longer.  Matplotlib is
imported before the clock starts.
"""

import argparse
import json
import time

from msgspec.structs import replace

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.properties.check import judge
from quiesce.reports.explanation.causal_slice import slice_of
from quiesce.reports.pictures.causal_graph import CausalPicture
from quiesce.reports.pictures.timing import TimingPicture
from quiesce.scenarios.resolve.library import resolved

MILLISECONDS = (1, 5, 25, 125)


def measure(observe_ms: int) -> dict[str, float]:
    """Return the seconds that each picture of one run takes."""
    plan = resolved("nic-crash-restart").plan
    trace = run(replace(plan, observe=exactly(observe_ms * 1_000_000)), Nominal())
    judgement = judge(trace)
    figures: dict[str, float] = {"records": len(trace.records)}
    begin = time.perf_counter()
    picture = TimingPicture(trace, judgement)
    figures["drawn_s"] = time.perf_counter() - begin
    for name, write in (("svg_s", picture.svg), ("png_s", picture.png)):
        begin = time.perf_counter()
        write()
        figures[name] = time.perf_counter() - begin
    begin = time.perf_counter()
    graph = slice_of(trace, judgement)
    assert graph is not None
    CausalPicture(graph, "causes").svg()
    figures["causes_svg_s"] = time.perf_counter() - begin
    return figures


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    wants_json = parser.parse_args().json
    measure(1)
    rows = [measure(each) for each in MILLISECONDS]
    if wants_json:
        print(json.dumps(rows, indent=2))
        return
    print("records   drawn     svg     png   causes (s)")
    for row in rows:
        print(
            f"{row['records']:7.0f} {row['drawn_s']:7.3f} {row['svg_s']:7.3f} "
            f"{row['png_s']:7.3f} {row['causes_svg_s']:7.3f}"
        )


if __name__ == "__main__":
    main()
