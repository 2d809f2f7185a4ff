"""Paused runs by the states in which they stand, so that questions need no new run."""

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

RUNS_KEPT = 1_000
"""Runs that stand ready to be taken further; each holds a whole model, 0.1 to 0.35 MB."""

StateT = TypeVar("StateT", bound=Hashable)
RunT = TypeVar("RunT", bound=Hashable)


class StandingRuns(Generic[StateT, RunT]):
    """The runs that stand ready, by the states in which they stand."""

    def __init__(self) -> None:
        self._by_state: dict[StateT, list[RunT]] = {}
        self._states_of: dict[RunT, Sequence[StateT]] = {}
        self._asked_about: StateT | None = None
        self._left_behind: dict[StateT, None] = {}

    def ask(self, state: StateT) -> None:
        """Note that a search asks about a state, and so has gone on to it from the one before."""
        if state != self._asked_about:
            if self._asked_about is not None and self._asked_about in self._by_state:
                self._left_behind[self._asked_about] = None
            self._asked_about = state
            self._left_behind.pop(state, None)

    def take(self, state: StateT) -> RunT | None:
        """Return a run that stands in a state, if there is one, and keep it no longer."""
        runs = self._by_state.get(state)
        if not runs:
            return None
        run = runs[-1]
        self._drop(run)
        return run

    def keep(self, run: RunT, states: Sequence[StateT], *, replaces_oldest: bool) -> None:
        """Cache a paused run, so that later questions about these states need no new run.

        If too many are kept, those of states that the search has left go first.  Then the oldest
        one goes, or the new one: a search asks first about the states that were found first.
        """
        if len(self._states_of) >= RUNS_KEPT:
            if self._left_behind:
                self._drop(self._by_state[next(iter(self._left_behind))][-1])
            elif replaces_oldest:
                self._drop(next(iter(self._states_of)))
            else:
                return
        self._states_of[run] = states
        for state in states:
            self._by_state.setdefault(state, []).append(run)

    def _drop(self, run: RunT) -> None:
        for state in self._states_of.pop(run):
            runs = self._by_state[state]
            runs.remove(run)
            if not runs:
                del self._by_state[state]
                self._left_behind.pop(state, None)
