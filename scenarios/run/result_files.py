"""Files of results: written into a folder, each whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

from ...model.base.errors import InputError, Place, Problem
from ...model.trace.codec import write_whole

__all__ = ["unwritable", "write_results"]


def write_results(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files of a folder, each whole or not at all; returns their paths, in the given order.

    Args:
        folder: Made if it is not there; files of these names are replaced.
        files: Their contents, by name.

    Raises:
        InputError: If the folder cannot be written.
    """
    try:
        for name, data in files.items():
            write_whole(folder / name, data)
    except OSError as error:
        raise unwritable(folder, error) from None
    return tuple(folder / name for name in files)


def unwritable(folder: Path, error: OSError) -> InputError:
    """Return the error for a folder of results that cannot be written, with its remedy."""
    message = f"the folder for the results cannot be written: {error.strerror or error}"
    problem = Problem(Place(str(folder)), message, remedy="name another folder with --out")
    return InputError([problem])
