"""The error for a folder of results that cannot be written."""

from pathlib import Path

from ...model.base.errors import InputError, Place, Problem


def unwritable(folder: Path, error: OSError) -> InputError:
    """Return the error for a folder of results that cannot be written, with its remedy."""
    message = f"the folder for the results cannot be written: {error.strerror or error}"
    problem = Problem(Place(str(folder)), message, remedy="name another folder with --out")
    return InputError([problem])
