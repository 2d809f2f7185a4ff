"""Turns a word of the user (a path or a shipped name) into a scenario that is ready to run."""

from pathlib import Path

import msgspec

from ...model.base.errors import Place, ScenarioError
from ..format.loader import load
from ..format.schema_check import unknown_word
from ..format.shipped import shipped_files, shipped_names
from .default_scenario import assumed_source
from .resolve import ResolvedScenario, resolve

_CONFIGURATIONS = (".qvmconf", ".conf")


def find(word: str) -> Path:
    """Return the file that a user means: a path, or the name of a shipped scenario.

    Raises:
        ScenarioError: If no file and no shipped scenario has this name.
    """
    path = Path(word)
    if path.suffix or path.name != word or path.exists():
        return path
    by_name = {file.stem: file for file in shipped_files()}
    if word in by_name:
        return by_name[word]
    remedy = "see `quiesce scenarios`, or give the path of a file"
    problem = unknown_word(Place("SCENARIO"), "scenario", word, shipped_names(), remedy=remedy)
    raise ScenarioError([problem])


def resolved(word: str) -> ResolvedScenario:
    """Return the scenario that a user means: a file, a shipped one, or a bare configuration.

    Raises:
        ScenarioError: If there is none, or it cannot be used.
        ConfigError: If a configuration cannot be used.
    """
    path = find(word)
    if path.suffix not in _CONFIGURATIONS:
        return resolve(load(path))
    source, assumed = assumed_source(path)
    scenario = resolve(source)
    return msgspec.structs.replace(scenario, assumptions=assumed + scenario.assumptions)
