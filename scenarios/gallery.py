"""Draws the pictures of docs/gallery anew.

    python -m quiesce.scenarios.gallery docs/gallery

Three scenarios have their timing plots there, two their graphs of causes; besides, two runs side by
side, the unsafe windows of a sweep, the margins of waits and the durations of a campaign.
"""

import sys
import tempfile
from pathlib import Path

from ..model.choices import Latest
from ..model.system import run
from ..model.trace import QuiesceStepBegun, QuiesceStepEnded
from ..model.trace_codec import write_whole
from ..reports.margins import Margin, MarginPicture
from .cli import main
from .library import resolved

TIMINGS = ("nic-crash-bare", "nic-crash-quiesced", "nic-crash-restart")
CAUSES = ("nic-crash-restart", "blk-drain-timeout-released")
WAITING = ("nic", "sata", "xhci", "pl330", "policy")


def draw(folder: Path) -> None:
    """Draw every picture into a folder."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        out = ["--out", name]
        for scenario in dict.fromkeys((*TIMINGS, *CAUSES)):
            main(["run", scenario, *out])
        main(["compare", "nic-crash-quiesced", "nic-crash-bare", *out])
        main(["sweep", "nic-crash-bare", *out])
        main(["fuzz", "nic-crash-quiesced", "--examples", "500", "--forget", *out])
        pictures = {f"{each}.png": made / each / "timing.png" for each in TIMINGS}
        pictures |= {f"causes-{each}.png": made / each / "causes.png" for each in CAUSES}
        pictures |= {
            "compare.png": made / "nic-crash-quiesced-and-nic-crash-bare" / "compare.png",
            "windows.png": made / "nic-crash-bare" / "sweep" / "windows.png",
            "durations.png": made / "nic-crash-quiesced" / "fuzz" / "durations.png",
        }
        for target, source in pictures.items():
            write_whole(folder / target, source.read_bytes())
    write_whole(folder / "margins.png", _margins().png())


def _margins() -> MarginPicture:
    """Return what each wait leaves of its bound with the latest timing, the longest per device."""
    found = []
    for kind in WAITING:
        plan = resolved(f"{kind}-crash-quiesced").plan
        bounds = {s.name: s.bound_ns for q in plan.vms[0].quiesce for s in q.steps if s.bound_ns}
        margins: list[Margin] = []
        begun: dict[str, int] = {}
        for record in run(plan, Latest()).records:
            event = record.event
            if isinstance(event, QuiesceStepBegun):
                begun[event.step] = record.at_ns
            elif isinstance(event, QuiesceStepEnded) and event.step in bounds:
                allowed_ns = bounds[event.step]
                took_ns = record.at_ns - begun[event.step]
                margins.append(Margin(f"{kind}: {event.step}", allowed_ns - took_ns, allowed_ns))
        found.append(min(margins, key=lambda each: (each.margin_ns or 0) / each.allowed_ns))
    title = "What the tightest wait of each procedure leaves of its bound, latest timing"
    return MarginPicture(title, "run", found)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
