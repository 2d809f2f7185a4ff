"""Collects the problems of a configuration, to report them together."""

from ...model.base.errors import ConfigError, Place, Problem
from .config import NotModelled
from .numbers import shown
from .tokens import Token

MAX_PROBLEMS = 200
"""Reading stops here; a text with more problems is no configuration."""


class Collector:
    """Collects errors, notes and entries without effect, in the order of their discovery."""

    def __init__(self) -> None:
        self.errors: list[Problem] = []
        self.notes: list[Problem] = []
        self.unmodelled: list[NotModelled] = []
        self.files: list[str] = []
        self._order: dict[str, int] = {}
        self._placeholders: dict[tuple[Place, str], Problem] = {}

    def error(self, place: Place, message: str, *, word: str = "", remedy: str = "") -> None:
        """Add what makes the configuration unusable.

        Raises:
            ConfigError: If there are `MAX_PROBLEMS` by now.
        """
        self.add(Problem(place, message, word, remedy))

    def add(self, problem: Problem) -> None:
        """Add an error that is already in words; raises as `error` does."""
        self.errors.append(problem)
        if len(self.errors) >= MAX_PROBLEMS:
            message = f"reading stops here after {MAX_PROBLEMS} problems"
            self.errors.append(Problem(problem.place, message))
            self.raise_errors()

    def placeholder(self, token: Token, name: str) -> None:
        """Add a word that holds the placeholder of a template; no other error of it is raised."""
        message = f"{shown(name)} is a placeholder of a template that has no value yet"
        remedy = "write the value in its place, or give it with --define NAME=VALUE"
        self._placeholders[token.place, name] = Problem(token.place, message, token.text, remedy)
        if len(self._placeholders) >= MAX_PROBLEMS:
            self.raise_errors()

    def note(self, place: Place, message: str, *, word: str = "", remedy: str = "") -> None:
        """Add what is doubtful but can be used."""
        self.notes.append(Problem(place, message, word, remedy))

    def not_modelled(self, place: Place, text: str, reason: str = "") -> None:
        """Add an entry that changes nothing in the model."""
        self.unmodelled.append(NotModelled(place, text, reason))

    def raise_errors(self) -> None:
        """Raise all errors in text order, if there are any.

        Raises:
            ConfigError: If an error was added.
        """
        # A word that holds a placeholder is no number and no address either: one message says it.
        spoilt = {place for place, _ in self._placeholders}
        others = [error for error in self.errors if error.place not in spoilt]
        errors = [*self._placeholders.values(), *others]
        if errors:
            raise ConfigError(sorted(errors, key=lambda problem: self.position(problem.place)))

    def notes_in_order(self) -> tuple[Problem, ...]:
        """Return the notes in text order."""
        return tuple(sorted(self.notes, key=lambda problem: self.position(problem.place)))

    def know(self, file: str) -> None:
        """Remember that the words of this file come after those of the files before it."""
        self._order.setdefault(file, len(self._order))

    def position(self, place: Place) -> tuple[int, int, int]:
        """Return what to sort places by."""
        return (self._order.get(place.file, -1), place.line, place.column)
