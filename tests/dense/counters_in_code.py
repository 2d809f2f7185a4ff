"""Ways to count (see `counters`) in code, in the machinery, and outside of every object."""

import functools
import itertools
import types
from collections.abc import Callable, Generator, Iterator
from typing import Any

import simpy

from quiesce.model.sim.kernel import Mailbox, Signal, Steps
from quiesce.model.trace.events import IrqTaken

from .counters import Counting, CountingAttribute

# Functions and what belongs to them.


def keyword_only(*, seen: list[int] = []) -> int:  # noqa: B006
    seen.append(0)
    return len(seen)


class KeywordDefault(Counting):
    def bump(self) -> int:
        return keyword_only()


def positional(seen: list[int] = []) -> int:  # noqa: B006
    seen.append(0)
    return len(seen)


class Default(Counting):
    def bump(self) -> int:
        return positional()


class KeywordDefaultOfOwnFunction(Counting):
    def begin(self) -> Any:
        def count(*, seen: list[int] = []) -> int:  # noqa: B006
            seen.append(0)
            return len(seen)

        return count

    def bump(self) -> int:
        return int(self.held())


class DefaultOfMethod(Counting):
    def bump(self, seen: list[int] = []) -> int:  # noqa: B006
        seen.append(0)
        return len(seen)


def attributed() -> int:
    attributed.count = getattr(attributed, "count", 0) + 1  # type: ignore[attr-defined]
    return int(attributed.count)  # type: ignore[attr-defined]


class FunctionAttribute(Counting):
    def bump(self) -> int:
        return attributed()


class AttributeOfOwnFunction(CountingAttribute):
    def holder(self) -> Any:
        def nothing() -> None:
            pass

        return nothing


class MethodAttribute(Counting):
    def bump(self) -> int:
        function: Any = MethodAttribute.bump
        function.count = getattr(function, "count", 0) + 1
        return int(function.count)


class NameOfFunction(Counting):
    def begin(self) -> Any:
        def nothing() -> None:
            pass

        nothing.__name__ = ""
        return nothing

    def bump(self) -> int:
        self.held.__name__ += "i"
        return len(self.held.__name__)


class Cell(Counting):
    def begin(self) -> Any:
        count = 0

        def more() -> int:
            nonlocal count
            count += 1
            return count

        return more

    def bump(self) -> int:
        return int(self.held())


class BoundMethodOfList(Counting):
    """The list is held by its method alone."""

    def begin(self) -> Any:
        return [].append

    def bump(self) -> int:
        self.held(0)
        return len(self.held.__self__)


class BoundMethodOfClosure(Counting):
    def begin(self) -> Any:
        count = 0

        def more(_: object) -> int:
            nonlocal count
            count += 1
            return count

        return types.MethodType(more, "self")

    def bump(self) -> int:
        return int(self.held())


def longer(things: list[int]) -> int:
    things.append(0)
    return len(things)


class Partial(Counting):
    def begin(self) -> Any:
        return functools.partial(longer, [])

    def bump(self) -> int:
        return int(self.held())


@functools.lru_cache
def remembered(number: int) -> int:
    return number


class HitsOfCache(Counting):
    def bump(self) -> int:
        remembered(0)
        found = remembered.cache_info()
        return found.hits + found.misses


# Generators and iterators.


class GeneratorInAttribute(Counting):
    def begin(self) -> Any:
        def numbers() -> Generator[int, None, None]:
            number = 0
            while True:
                number += 1
                yield number

        return numbers()

    def bump(self) -> int:
        return int(next(self.held))


class DeadLocalOfGenerator(Counting):
    """The count is in a local that nothing reads, but by the table of all locals."""

    def begin(self) -> Any:
        def numbers() -> Generator[int, None, None]:
            number = 0
            while True:
                number = locals()["number"] + 1
                yield locals()["number"]

        return numbers()

    def bump(self) -> int:
        return int(next(self.held))


class OfItertoolsCount(Counting):
    def begin(self) -> Any:
        return itertools.count(1)

    def bump(self) -> int:
        return int(next(self.held))


class OfCycle(Counting):
    def begin(self) -> Any:
        return itertools.cycle([1, 2, 3])

    def bump(self) -> int:
        return int(next(self.held))


class OfTee(Counting):
    def begin(self) -> Any:
        return itertools.tee([1, 2, 3])[0]

    def bump(self) -> int:
        return int(next(self.held))


class OfZip(Counting):
    def begin(self) -> Any:
        return zip([1, 2, 3], [0, 0, 0], strict=True)

    def bump(self) -> int:
        return int(next(self.held)[0])


class Stepping:
    """An iterator that says of itself, to be saved, that it remembers nothing."""

    def __init__(self) -> None:
        self.number = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.number += 1
        return self.number

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Stepping, ()


class IteratorOfOwn(Counting):
    def begin(self) -> Any:
        return Stepping()

    def bump(self) -> int:
        return int(next(self.held))


# What belongs to the machinery.


class AttributeOfKernel(Counting):
    def begin(self) -> None:
        self.kernel.count = 0  # type: ignore[attr-defined]

    def bump(self) -> int:
        self.kernel.count += 1  # type: ignore[attr-defined]
        return int(self.kernel.count)  # type: ignore[attr-defined]


class LengthOfTrace(Counting):
    def bump(self) -> int:
        self.kernel.emit("counter", IrqTaken(1, 0))
        return len(self.kernel.records)


class IndexOfRecord(Counting):
    def bump(self) -> int:
        return self.kernel.emit("counter", IrqTaken(1, 0)) + 1


class LengthOfAnswers(Counting):
    def bump(self) -> int:
        self.kernel.choices.happens("counter.one")
        return len(self.kernel.choices.log)


class ClockOfAnotherKernel(Counting):
    def begin(self) -> simpy.Environment:
        return simpy.Environment()

    def bump(self) -> int:
        self.held.run(until=self.held.now + 1)
        return int(self.held.now)


class EventsRun(Counting):
    def bump(self) -> int:
        return self.kernel.events_run


class AttributeOfMailbox(CountingAttribute):
    def holder(self) -> Any:
        return Mailbox[int](self.kernel)


class LengthOfMailbox(Counting):
    def begin(self) -> Any:
        return Mailbox[int](self.kernel)

    def bump(self) -> int:
        self.held.put(0)
        return len(self.held)


class ContentOfMailbox(Counting):
    """Always one item; its value counts."""

    def begin(self) -> Any:
        held = Mailbox[int](self.kernel)
        held.put(0)
        return held

    def bump(self) -> int:
        count = int(self.held.take()) + 1
        self.held.put(count)
        return count


class NameOfMethod(Counting):
    """Which method of one object is called next."""

    def begin(self) -> Any:
        return self.first

    def first(self) -> int:
        self.held = self.second
        return 1

    def second(self) -> int:
        self.held = self.third
        return 2

    def third(self) -> int:
        return 3

    def bump(self) -> int:
        return int(self.held())


class AttributeOfSignal(CountingAttribute):
    def holder(self) -> Any:
        return Signal(self.kernel)


class AttributeOfEvent(CountingAttribute):
    def holder(self) -> Any:
        return self.kernel.event()


class Numbered(simpy.Event):
    """An event of the user's own."""

    count = 0


class OwnEvent(CountingAttribute):
    def holder(self) -> Any:
        return Numbered(self.kernel)


class FailureOfEvent(Counting):
    """Whether events with equal values have failed."""

    def begin(self) -> Any:
        return []

    def bump(self) -> int:
        self.held.append(self.kernel.event())
        self.held[-1].callbacks.append(lambda _: None)
        return len(self.held)


class AttributeOfProcess(CountingAttribute):
    """The process of something else, which has ended."""

    def holder(self) -> Any:
        def nothing() -> Steps:
            yield self.kernel.event().succeed()

        return self.kernel.process(nothing())


class LabelOfPastDelay(Counting):
    def begin(self) -> Any:
        return self.kernel.event()

    def bump(self) -> int:
        self.held.label = getattr(self.held, "label", "") + "i"
        return len(self.held.label)


class OfStore(Counting):
    """The count stands in a request that waits, and nowhere else."""

    def begin(self) -> Any:
        store: Any = simpy.Store(self.kernel, 1)
        store.put(0)
        store.put(0)
        return store

    def bump(self) -> int:
        waiting = self.held.put_queue[0]
        waiting.item += 1
        return int(waiting.item)


# What lies outside of every object of the model.

TALLY = [0]
NUMBER = 0


class GlobalList(Counting):
    def bump(self) -> int:
        TALLY[0] += 1
        return TALLY[0]


class GlobalNumber(Counting):
    def bump(self) -> int:
        global NUMBER  # noqa: PLW0603
        NUMBER += 1
        return NUMBER


class GlobalByName(Counting):
    def bump(self) -> int:
        space = globals()
        space["by_name"] = space.get("by_name", 0) + 1
        return int(space["by_name"])


class ClassAttribute(Counting):
    total = 0

    def bump(self) -> int:
        type(self).total += 1
        return self.total


class ListOfClass(Counting):
    seen: list[int] = []  # noqa: RUF012

    def bump(self) -> int:
        self.seen.append(0)
        return len(self.seen)


class AttributeOfBase(Counting):
    def bump(self) -> int:
        Counting.count = getattr(Counting, "count", 0) + 1  # type: ignore[attr-defined]
        return int(Counting.count)  # type: ignore[attr-defined]


class AttributeOfOurClass(Counting):
    def bump(self) -> int:
        Signal.count = getattr(Signal, "count", 0) + 1  # type: ignore[attr-defined]
        return int(Signal.count)  # type: ignore[attr-defined]


class ClassInAttribute(Counting):
    def begin(self) -> type:
        return Numbered

    def bump(self) -> int:
        self.held.seen = getattr(self.held, "seen", 0) + 1
        return int(self.held.seen)


class Meta(type):
    made = 0


class WithMeta(metaclass=Meta):
    pass


class AttributeOfMetaclass(Counting):
    def begin(self) -> Any:
        return WithMeta()

    def bump(self) -> int:
        kind: Any = type(type(self.held))
        kind.made += 1
        return int(kind.made)


class Remembering:
    """A descriptor that keeps what it was given for itself."""

    def __init__(self) -> None:
        self.values: list[int] = []

    def __get__(self, owner: object, kind: type) -> int:
        self.values.append(0)
        return len(self.values)


class Descriptor(Counting):
    number = Remembering()

    def bump(self) -> int:
        return self.number


def _through_closure() -> Callable[[], int]:
    count = 0

    def more() -> int:
        nonlocal count
        count += 1
        return count

    return more


through_closure = _through_closure()


class CellOfGlobalFunction(Counting):
    def bump(self) -> int:
        return through_closure()


class GlobalIterator(Counting):
    def bump(self) -> int:
        return next(TICKETS)


TICKETS = itertools.count(1)


class ModuleInAttribute(CountingAttribute):
    def holder(self) -> Any:
        return types.ModuleType("held")


class VeryDeep(Counting):
    """A chain of lists that is too deep to be followed."""

    def begin(self) -> Any:
        held: list[Any] = [0]
        for _ in range(20_000):
            held = [held]
        self.count = [0]
        return held

    def bump(self) -> int:
        self.count[0] += 1
        return self.count[0]
