"""The shipped scenarios, and how a word of the user becomes a scenario that is ready to run."""

from pathlib import Path

import msgspec

from ..model.errors import Place, ScenarioError
from .assumed import assumed_source
from .loader import load
from .resolve import Resolved, resolve
from .shape import unknown_word
from .shipped import shipped_files, shipped_names

_CONFIGURATIONS = (".qvmconf", ".conf")


def find(word: str) -> Path:
    """Return the file that a user means: a path, or the name of a shipped scenario.

    Raises:
        ScenarioError: If there is neither.
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


def resolved(word: str) -> Resolved:
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
