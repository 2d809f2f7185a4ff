"""Errors for things whose state cannot be compared, with place, type and remedy.

A search merges states that look alike.  So a thing that it cannot read completely must not be part
of a state: each of these errors names such a thing.
"""

from ..base.errors import QuiesceError

REMEDY = "keep what the model remembers in plain attributes (int, str, tuple, list, dict, deque)"


class SharedStateError(QuiesceError):
    """Two parts of a model that is explored in parts hold the same mutable thing.

    Args:
        kind: The type of the thing.
        first: The part in which the encoder met it first.
        second: The other part.
    """

    def __init__(self, kind: str, first: str, second: str) -> None:
        self.kind = kind
        self.first = first
        self.second = second
        super().__init__(kind, first, second)

    def __str__(self) -> str:
        """Name both and say what to do."""
        return (
            f"{self.first} and {self.second} share a {self.kind}; let one of them own it and the "
            "other call a method, or explore the model as a whole"
        )


class FingerprintError(QuiesceError):
    """The model holds an object whose state the encoder cannot read completely.

    Args:
        kind: Its type.
        place: Where the model holds it: a part, and as far as known the way from there.
        remedy: What to do instead.
    """

    def __init__(self, kind: str, place: str, remedy: str = REMEDY) -> None:
        self.kind = kind
        self.place = place
        self.remedy = remedy
        super().__init__(kind, place, remedy)

    def __str__(self) -> str:
        """Name the type and its holder, and say what to do."""
        return (
            f"{self.place} holds a {self.kind}, whose state cannot be read for comparison; "
            f"{self.remedy}"
        )


class OutsideStateError(QuiesceError):
    """Model code has changed a thing that belongs to no object of the model.

    Such a thing is no part of a state, and keeps its value from one run of the search to the next.

    Args:
        place: Which module global, class attribute or default value.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        super().__init__(place)

    def __str__(self) -> str:
        """Name it and say what to do."""
        return (
            f"{self.place} changes while the model runs, and belongs to no object of it; keep it "
            "in an attribute of a component that each run builds for itself"
        )


class HistoryReadError(QuiesceError):
    """Model code reads how much has happened, which is no part of a state.

    Args:
        what: What it reads.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)

    def __str__(self) -> str:
        """Name it and say what to do."""
        return (
            f"the model reads {self.what}, which depends on how much has happened so far and is no "
            "part of a state; let a component count what it has to know"
        )


class UntestedInterpreterError(QuiesceError):
    """A proof was started under an interpreter for which reading states was never tested.

    Args:
        interpreter: Name and version of the running interpreter.
        tested: Versions of CPython that may be used.
    """

    def __init__(self, interpreter: str, tested: tuple[tuple[int, int], ...]) -> None:
        self.interpreter = interpreter
        self.tested = tested
        super().__init__(interpreter, tested)

    def __str__(self) -> str:
        """Name the interpreter and say which to use."""
        versions = ", ".join(f"{major}.{minor}" for major, minor in self.tested)
        return (
            f"a proof reads the bytecode and the stacks of its interpreter, and was never tested "
            f"under {self.interpreter}; use CPython {versions}"
        )
