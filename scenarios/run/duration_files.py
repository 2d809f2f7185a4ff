"""How long teardowns took in a campaign, as numbers and as a picture."""

from pathlib import Path

from ...properties.core.durations import Durations, bucket_start
from ...properties.core.verdict import Judgement
from ...reports.pictures.distribution import Distribution, DistributionPicture
from .result_files import write_results

__all__ = ["durations_json", "write_durations"]


def durations_json(durations: Durations) -> dict[str, object]:
    """Return the durations for programs: counts by the least duration of each bucket."""
    return {
        "count": durations.count,
        "unended": durations.unended,
        "least_ns": durations.least_ns,
        "median_ns": durations.quantile(50),
        "p99_ns": durations.quantile(99),
        "most_ns": durations.most_ns,
        "counts_from_ns": {
            str(bucket_start(bucket)): count for bucket, count in sorted(durations.counts.items())
        },
    }


def write_durations(
    durations: Durations, judgement: Judgement, bound_ns: int, folder: Path
) -> tuple[Path, ...]:
    """Draw the durations of a campaign, of which there is at least one; returns the files.

    Raises:
        InputError: If the folder cannot be written.
    """
    data = Distribution(
        {
            (bucket_start(bucket), bucket_start(bucket + 1)): count
            for bucket, count in durations.counts.items()
        },
        durations.least_ns,
        durations.quantile(50),
        durations.quantile(99),
        durations.most_ns,
        durations.unended,
    )
    title = f"{judgement.scenario}: how long teardowns take"
    picture = DistributionPicture(title, judgement.label, data, bound_ns)
    files = {"durations.svg": picture.svg(), "durations.png": picture.png()}
    return write_results(folder, files)
