"""Draws the pictures of docs/gallery again.

    python -m quiesce.scenarios.gallery docs/gallery

Three scenarios have their timing plots there, two their graphs of causes; besides, two runs side by
side, the unsafe windows of a sweep, what a proof leaves to spare and the durations of a campaign.
"""

import sys
import tempfile
from pathlib import Path

from ..model.trace.codec import write_whole
from .cli import main

TIMINGS = ("nic-crash-bare", "nic-crash-quiesced", "nic-crash-restart")
CAUSES = ("nic-crash-restart", "blk-drain-timeout-released")
PROVED = "edu-crash-quiesced"


def draw(folder: Path) -> None:
    """Draw every picture into a folder."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        out = ["--out", name]
        for scenario in dict.fromkeys((*TIMINGS, *CAUSES)):
            main(["run", scenario, *out])
        main(["compare", "nic-crash-quiesced", "nic-crash-bare", *out])
        main(["sweep", "nic-crash-bare", *out])
        main(["prove", PROVED, *out])
        main(["fuzz", "nic-crash-quiesced", "--examples", "500", "--forget", *out])
        pictures = {f"{each}.png": made / each / "timing.png" for each in TIMINGS}
        pictures |= {f"causes-{each}.png": made / each / "causes.png" for each in CAUSES}
        pictures |= {
            "compare.png": made / "nic-crash-quiesced-and-nic-crash-bare" / "compare.png",
            "windows.png": made / "nic-crash-bare" / "sweep" / "windows.png",
            "margins.png": made / PROVED / "prove" / "margins.png",
            "durations.png": made / "nic-crash-quiesced" / "fuzz" / "durations.png",
        }
        for target, source in pictures.items():
            write_whole(folder / target, source.read_bytes())


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
