"""The picture of a proof: what each writer and each line has to spare, and each end."""

from collections.abc import Sequence
from pathlib import Path

from ...model.plan.system_plan import SystemPlan
from ...model.trace.codec import write_whole
from ...properties.prove.measures import Between, Measure, ToOwnRelease
from ...properties.prove.system_proof import Distance
from ...reports.pictures.margins import BoundedEnd, Spare, SparePicture
from .proof import distances_of
from .sliced_proof import Bounds

__all__ = ["remove_pictures", "spare_files", "spare_picture"]


def spare_picture(
    plan: SystemPlan, label: str, distances: Sequence[Distance | Bounds]
) -> SparePicture | None:
    """Return the picture of what a proof has measured; None if nothing is measured against zero.

    Args:
        plan: What was proved.
        label: Of the judgement.
        distances: That were measured.
    """
    measures = {measure.name: measure for measure in distances_of(plan)}
    owners = {f"line {device.intid}": device.name for device in plan.passable}
    spares, ends = [], []
    for each in distances:
        who, _, what = each.name.partition(": ")
        measure = measures[each.name]
        bounds = each.least.ns, each.greatest.ns
        if measure.bound_ns is not None:
            ends.append(BoundedEnd(who, *bounds, measure.bound_ns))
        elif _is_spare(measure):
            before = "release" if isinstance(measure, ToOwnRelease) else "detach"
            vm = next((vm.name for vm in plan.vms if vm.name in what), "")
            who = f"{who} of {owners[who]}" if who in owners else who
            spares.append(Spare(who, f"{before} by {vm}" if vm else before, *bounds))
    if not spares:
        return None
    title = f"{plan.name}: how close each device comes to going wrong"
    return SparePicture(title, label, spares, ends)


def spare_files(
    plan: SystemPlan, label: str, distances: Sequence[Distance | Bounds], folder: Path
) -> list[Path]:
    """Write the picture, if there is one, and return its files."""
    picture = spare_picture(plan, label, distances)
    if picture is None:
        return []
    files = {"margins.svg": picture.svg(), "margins.png": picture.png()}
    for name, content in files.items():
        write_whole(folder / name, content)
    return [folder / name for name in files]


def remove_pictures(folder: Path) -> None:
    """Remove what an earlier proof may have drawn, which says nothing of the next one."""
    for name in ("margins", "windows"):
        for kind in ("svg", "png"):
            (folder / f"{name}.{kind}").unlink(missing_ok=True)


def _is_spare(measure: Measure) -> bool:
    """Return whether zero would be a violation."""
    return isinstance(measure, ToOwnRelease) or (isinstance(measure, Between) and measure.restarts)
