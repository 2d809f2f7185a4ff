"""Reads scenario files into `Scenario`, or says with line and remedy why it cannot.

The loader reports all errors of the text at once.  `resolve` reports what does not fit the
configurations or the hardware.
"""

import re
import tomllib
from pathlib import Path

import msgspec

from ...model.base.errors import Place, Problem, ScenarioError
from ..qvmconf.sources import SourceError, read_text
from .schema import Scenario
from .schema_check import problems_of
from .toml_places import Places

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class ScenarioSource(msgspec.Struct, frozen=True):
    """A scenario as it was read.

    Attributes:
        name: The file's name without its extension.
        scenario: What it says.
        places: Where it says so.
        folder: What its configurations are relative to.
    """

    name: str
    scenario: Scenario
    places: Places
    folder: Path


def load(path: Path) -> ScenarioSource:
    """Return the scenario in a file.

    Raises:
        ScenarioError: With every problem that the text has.
    """
    try:
        text = read_text(path)
    except SourceError as error:
        place = Place(str(path), error.line)
        raise ScenarioError([Problem(place, error.message, remedy=error.remedy)]) from None
    return parse(text, str(path), path.parent)


def parse(text: str, file: str, folder: Path) -> ScenarioSource:
    """Return the scenario that a text means.

    Args:
        text: TOML.
        file: Its name, for error messages and for the name of the scenario.
        folder: What its configurations are relative to.

    Raises:
        ScenarioError: With every problem that the text has.
    """
    if not text.strip():
        remedy = 'write at least configuration = "guest.qvmconf"'
        raise ScenarioError([Problem(Place(file), "the file is empty", remedy=remedy)])
    text = text.replace("\r\n", "\n")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError([_syntax_problem(str(error), text, file)]) from None
    except RecursionError:
        raise ScenarioError([Problem(Place(file), "the text is nested too deeply")]) from None
    places = Places(text, file)
    problems = problems_of(document, Scenario, places)
    if problems:
        raise ScenarioError(problems)
    scenario = msgspec.convert(document, Scenario)
    return ScenarioSource(Path(file).stem, scenario, places, folder)


def _syntax_problem(message: str, text: str, file: str) -> Problem:
    """Return TOML's own complaint with its position as a place."""
    match = _AT.search(message)
    if match is None:
        return Problem(Place(file), f"not TOML: {message}")
    message = message[: match.start()]
    line, column = match.groups()
    if line is None:
        return Problem(Place(file, text.count("\n") + 1), f"not TOML: {message}")
    return Problem(Place(file, int(line), int(column)), f"not TOML: {message}")
