"""What is refused because its state cannot be compared, told with place, type and remedy.

A search merges states that look alike.  So whatever it cannot look into completely must not be
part of a state: each of these errors names it instead.
"""

from ..base.errors import QuiesceError

REMEDY = "keep what the model remembers in plain attributes (int, str, tuple, list, dict, deque)"


class SharedStateError(QuiesceError):
    """Something that can change is held by two parts of a model that is explored in parts.

    Args:
        kind: The type of the thing.
        first: The part that was found to hold it.
        second: The other one.
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


class FormError(QuiesceError):
    """An object that has no form: not all that it remembers can be read.

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
    """Model code has changed what belongs to no object of the model.

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
            "in an attribute of a component that is made anew for each run"
        )


class HistoryReadError(QuiesceError):
    """Model code looks at how much has happened, which states do not tell.

    Args:
        what: What it looks at.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)

    def __str__(self) -> str:
        """Name it and say what to do."""
        return (
            f"the model reads {self.what}, which tells how much has happened so far and is no "
            "part of a state; let a component count what it has to know"
        )


class UntestedInterpreterError(QuiesceError):
    """A proof was asked of an interpreter under which the reading of states was never tested.

    Args:
        interpreter: The one that runs.
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
