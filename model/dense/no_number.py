"""Stand-ins for times and record indices in a search over all timings; using one is an error."""

import sys
from typing import NoReturn, cast

from ..base.errors import QuiesceError
from .state_errors import HistoryReadError

__all__ = ["NO_INDEX", "NO_TIME", "TimeReadError"]


class TimeReadError(QuiesceError):
    """The model reads the time, which is no number where a search explores all timings at once.

    Args:
        place: File and line of the reading code.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        super().__init__(place)

    def __str__(self) -> str:
        """Name the line and the way out."""
        return (
            f"{self.place} reads the time, which has no one value where delays are intervals; "
            "make the decision a race between delays (kernel.first)"
        )


class _NoNumber:
    """Stands for a count of what has happened, or for a time; using it is an error."""

    def _used(self, *_: object) -> NoReturn:
        raise HistoryReadError("the index of a record")

    __bool__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _used
    __hash__ = __index__ = __int__ = __str__ = __repr__ = __format__ = _used
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = _used
    __floordiv__ = __truediv__ = __and__ = __or__ = __neg__ = __float__ = _used


class _NoTime(_NoNumber):
    """Stands for the time of a record."""

    def _used(self, *_: object) -> NoReturn:
        caller = sys._getframe(1)
        raise TimeReadError(f"{caller.f_code.co_filename}:{caller.f_lineno}")

    __bool__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _used
    __hash__ = __index__ = __int__ = __str__ = __repr__ = __format__ = _used
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = _used
    __floordiv__ = __truediv__ = __and__ = __or__ = __neg__ = __float__ = _used


NO_INDEX = cast(int, _NoNumber())
NO_TIME = cast(int, _NoTime())
