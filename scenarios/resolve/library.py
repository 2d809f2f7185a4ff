"""Turns a word of the user (a path or a shipped name) into a scenario that is ready to run."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ...model.base.errors import Place, Problem, ScenarioError
from ..format.loader import load
from ..format.schema_check import unknown_word
from ..format.shipped import shipped_files, shipped_names
from ..qvmconf.outside import STANDARD_INPUT
from .default_scenario import assumed_source
from .resolve import ResolvedScenario, resolve

_CONFIGURATIONS = (".qvmconf", ".conf", ".config", ".cfg")
_SCENARIOS = (".toml", ".json")

_BETWEEN_FILES = "\n"
"""Stands between the files of one configuration in the word for it."""


def one_word(words: Sequence[str]) -> str:
    """Return the word for one scenario, or for one configuration in several files.

    Args:
        words: One word for a scenario; or files of a configuration, with or without the `@` that
            `qvm` wants before them.
    """
    return _BETWEEN_FILES.join(word.removeprefix("@") for word in words)


def files_of(word: str) -> list[str]:
    """Return the files that `one_word` has joined."""
    return word.split(_BETWEEN_FILES)


def words_of(words: Sequence[str]) -> list[str]:
    """Return a word for each scenario of a list; files with `@` that follow each other are one."""
    found: list[str] = []
    was_file = False
    for word in words:
        is_file = word.startswith("@")
        if is_file and was_file:
            found[-1] = one_word([found[-1], word])
        else:
            found.append(one_word([word]))
        was_file = is_file
    return found


def find(word: str) -> Path:
    """Return the file that a user means: a path, or the name of a shipped scenario.

    Raises:
        ScenarioError: If no file and no shipped scenario has this name.
    """
    path = Path(word)
    if word == STANDARD_INPUT or path.suffix or path.name != word or path.exists():
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
    words = files_of(word)
    if len(words) == 1:
        path = find(word)
        if word != STANDARD_INPUT and path.suffix not in _CONFIGURATIONS:
            return resolve(load(path))
    paths = [Path(each) for each in words]
    for path in paths:
        if path.suffix in _SCENARIOS:
            message = f"{str(path)!r} is a scenario, and several files are one configuration"
            remedy = "give one scenario alone, or the files of one configuration"
            raise ScenarioError([Problem(Place("SCENARIO"), message, str(path), remedy)])
    source, assumed = assumed_source(paths)
    scenario = resolve(source)
    return msgspec.structs.replace(scenario, assumptions=assumed + scenario.assumptions)
