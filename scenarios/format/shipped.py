"""Where the shipped scenarios are; apart from the rest, because completion asks for it."""

from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1] / "library"
"""Their folder."""


def shipped_files() -> list[Path]:
    """Return their files, by name."""
    return sorted(LIBRARY.glob("*.toml"))


def shipped_names() -> list[str]:
    """Return their names, sorted."""
    return [file.stem for file in shipped_files()]
