"""Collects what resolving a scenario finds: problems for the user, assumptions for verdicts."""

from collections.abc import Iterable

from ...model.base.errors import Place, Problem, ScenarioError
from ...model.trace.events import Assumption
from .schema_check import unknown_word
from .toml_places import KeyPath, Places


class Diagnostics:
    """Collects all problems, to report them together, and all assumptions.

    Args:
        places: The places of the scenario text.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._problems: list[Problem] = []
        self.assumptions: list[Assumption] = []

    def problem(self, path: KeyPath, message: str, *, word: str = "", remedy: str = "") -> None:
        """Note what is wrong with the value at a key path of the scenario."""
        self.problem_at(self._places.of_value(path), message, word=word, remedy=remedy)

    def problem_at(self, place: Place, message: str, *, word: str = "", remedy: str = "") -> None:
        """Note what is wrong at a place, which may be in a configuration."""
        self._problems.append(Problem(place, message, word, remedy))

    def unknown(
        self, path: KeyPath, noun: str, word: str, allowed: Iterable[str], *, remedy: str = ""
    ) -> None:
        """Note that the value at a key path is an unknown word, with the nearest known one."""
        place = self._places.of_value(path)
        self._problems.append(unknown_word(place, noun, word, allowed, remedy=remedy))

    def unknown_key(
        self, path: KeyPath, noun: str, allowed: Iterable[str], *, remedy: str = ""
    ) -> None:
        """Note that the last key of a path is unknown, with the nearest known one."""
        place = self._places.of_key(path)
        self._problems.append(unknown_word(place, noun, str(path[-1]), allowed, remedy=remedy))

    def assume(self, name: str, value: str, basis: str) -> None:
        """Note an assumption that the scenario does not state."""
        self.assumptions.append(Assumption(name, value, basis))

    def raise_problems(self) -> None:
        """Raise all problems as one error, if there are any.

        Raises:
            ScenarioError: With every problem, by file and line.
        """
        if self._problems:
            by_place = sorted(self._problems, key=_position)
            raise ScenarioError(dict.fromkeys(by_place))


def _position(problem: Problem) -> tuple[str, int, int]:
    return problem.place.file, problem.place.line, problem.place.column
