"""Ways in which a model of a user's own can count: each a class with a method `bump`."""

import array
import collections
import contextvars
import dataclasses
import datetime
import decimal
import enum
import fractions
import io
import random
import threading
import types
import weakref
from typing import Any

import msgspec
import numpy as np

from quiesce.model.sim.kernel import Kernel


class Counting:
    """Counts; `kernel` is the one it lives in."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.held: Any = self.begin()

    def begin(self) -> Any:
        """Return what holds the count at first."""

    def bump(self) -> int:
        """Count one more; returns the count."""
        raise NotImplementedError


class CountingAttribute(Counting):
    """Counts in an attribute `count` of what it holds."""

    def begin(self) -> Any:
        held = self.holder()
        held.count = 0
        return held

    def holder(self) -> Any:
        """Return the thing that gets the attribute."""
        raise NotImplementedError

    def bump(self) -> int:
        self.held.count += 1
        return int(self.held.count)


# Plain values, to show that the model counts at all.


class PlainInt(Counting):
    def begin(self) -> int:
        return 0

    def bump(self) -> int:
        self.held += 1
        return int(self.held)


class Float(Counting):
    """Between equal numbers of different types, and zeros of different signs."""

    def begin(self) -> list[Any]:
        return [1, 1.0, True, 7]

    def bump(self) -> int:
        self.held.append(self.held.pop(0))
        return [int, float, bool].index(type(self.held[0])) + (3 if self.held[0] == 7 else 0)


class SignOfZero(Counting):
    def begin(self) -> list[float]:
        return [0.0, 0.0, 0.0]

    def bump(self) -> int:
        count = [str(each) for each in self.held].count("-0.0")
        self.held[count] = -0.0
        return count + 1


class Complex(Counting):
    def begin(self) -> complex:
        return 0j

    def bump(self) -> int:
        self.held += 1j
        return int(self.held.imag)


# Subclasses of plain types.


class Labelled(int):
    count = 0


class AttributeOfInt(Counting):
    def begin(self) -> Labelled:
        return Labelled(5)

    def bump(self) -> int:
        self.held.count += 1
        return int(self.held.count)


class ValueOfIntSubclass(Counting):
    def begin(self) -> Labelled:
        return Labelled(0)

    def bump(self) -> int:
        self.held = Labelled(self.held + 1)
        return int(self.held)


class Text(str):
    __slots__ = ("__dict__",)


class ValueOfStrSubclass(Counting):
    def begin(self) -> Text:
        return Text("")

    def bump(self) -> int:
        self.held = Text(self.held + "i")
        return len(self.held)


class Octets(bytes):
    pass


class ValueOfBytesSubclass(Counting):
    def begin(self) -> Octets:
        return Octets(b"")

    def bump(self) -> int:
        self.held = Octets(self.held + b"i")
        return len(self.held)


class Real(float):
    pass


class ValueOfFloatSubclass(Counting):
    def begin(self) -> Real:
        return Real(0)

    def bump(self) -> int:
        self.held = Real(self.held + 1)
        return int(self.held)


class Row(tuple[int, ...]):
    seen = 0


class AttributeOfTuple(Counting):
    def begin(self) -> Row:
        return Row((1, 2))

    def bump(self) -> int:
        self.held.seen += 1
        return int(self.held.seen)


class Grown(list[int]):
    seen = 0


class AttributeOfList(Counting):
    def begin(self) -> Grown:
        return Grown([1])

    def bump(self) -> int:
        self.held.seen += 1
        return int(self.held.seen)


class DefaultDict(Counting):
    def begin(self) -> Any:
        return collections.defaultdict(int)

    def bump(self) -> int:
        self.held["n"] += 1
        return int(self.held["n"])


class OfCounter(Counting):
    def begin(self) -> Any:
        return collections.Counter()

    def bump(self) -> int:
        self.held["n"] += 1
        return int(self.held["n"])


class OfOrderedDict(Counting):
    def begin(self) -> Any:
        return collections.OrderedDict()

    def bump(self) -> int:
        self.held[len(self.held)] = 0
        return len(self.held)


class OfUserDict(Counting):
    def begin(self) -> Any:
        return collections.UserDict()

    def bump(self) -> int:
        self.held[len(self.held)] = 0
        return len(self.held)


class MaximumOfDeque(Counting):
    def begin(self) -> Any:
        return collections.deque(maxlen=10)

    def bump(self) -> int:
        self.held = collections.deque(maxlen=self.held.maxlen + 1)
        return int(self.held.maxlen) - 10


class EndOfEmptyRange(Counting):
    def begin(self) -> range:
        return range(0)

    def bump(self) -> int:
        self.held = range(self.held.start + 1, self.held.stop + 1)
        return int(self.held.start)


class OfSlice(Counting):
    def begin(self) -> slice:
        return slice(0)

    def bump(self) -> int:
        self.held = slice(self.held.stop + 1)
        return int(self.held.stop)


class OrderOfSet(Counting):
    """Numbers that fall on one place of the table stand in the order of their coming."""

    def begin(self) -> Any:
        return {0, 8, 16}

    def bump(self) -> int:
        first, second, third = self.held
        self.held = {second: 0, third: 0, first: 0}.keys() | set()
        orders = [[0, 8, 16], [8, 16, 0], [16, 0, 8]]
        return orders.index(list(self.held)) or 3


# Slots, and attributes where nobody looks.


class Mangled:
    __slots__ = ("__count",)

    def __init__(self) -> None:
        self.__count = 0

    def more(self) -> int:
        self.__count += 1
        return self.__count


class MangledSlot(Counting):
    def begin(self) -> Mangled:
        return Mangled()

    def bump(self) -> int:
        return int(self.held.more())


class Base:
    __slots__ = ("count",)


class Hiding(Base):
    __slots__ = ("count",)


class HiddenSlot(Counting):
    def begin(self) -> Hiding:
        held = Hiding()
        held.count = 0  # type: ignore[attr-defined]
        Base.count.__set__(held, 0)  # type: ignore[attr-defined]
        return held

    def bump(self) -> int:
        place: Any = Base.__dict__["count"]
        place.__set__(self.held, place.__get__(self.held) + 1)
        return int(place.__get__(self.held))


class Disguised:
    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        return {}


class DictBehindProperty(Counting):
    def begin(self) -> Any:
        held: Any = Disguised()
        held.count = 0
        return held

    def bump(self) -> int:
        self.held.count += 1
        return int(self.held.count)


class Evasive:
    count = 0

    def __getattribute__(self, name: str) -> Any:
        return {} if name == "__dict__" else object.__getattribute__(self, name)


class DictBehindGetattribute(Counting):
    def begin(self) -> Any:
        return Evasive()

    def bump(self) -> int:
        self.held.count += 1
        return int(self.held.count)


@dataclasses.dataclass(slots=True)
class Slotted:
    count: int = 0


class DataclassWithSlots(Counting):
    def begin(self) -> Slotted:
        return Slotted()

    def bump(self) -> int:
        self.held.count += 1
        return int(self.held.count)


class FrozenFlag(msgspec.Struct, frozen=True):
    value: Any


class EqualFrozenRecords(Counting):
    def begin(self) -> FrozenFlag:
        return FrozenFlag(1)

    def bump(self) -> int:
        kinds = [int, float, bool, str]
        at = kinds.index(type(self.held.value)) + 1
        self.held = FrozenFlag(kinds[at](1))
        return at


class Carefree(msgspec.Struct, frozen=True):
    value: int

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class FrozenRecordsWithAnEqualityOfTheirOwn(Counting):
    def begin(self) -> Carefree:
        return Carefree(0)

    def bump(self) -> int:
        self.held = Carefree(self.held.value + 1)
        return int(self.held.value)


class WithDict(msgspec.Struct, frozen=True, dict=True):
    value: int


class AttributeOfFrozenRecord(Counting):
    def begin(self) -> WithDict:
        held = WithDict(0)
        vars(held)["count"] = 0
        return held

    def bump(self) -> int:
        vars(self.held)["count"] += 1
        return int(vars(self.held)["count"])


class One(enum.IntEnum):
    A = 1


class Uno(enum.IntEnum):
    A = 1


class Tre(enum.Enum):
    A = 1


class EqualMembersOfEnums(Counting):
    def begin(self) -> Any:
        return One.A

    def bump(self) -> int:
        kinds: list[Any] = [One, Uno, Tre, int]
        at = kinds.index(type(self.held)) + 1
        self.held = kinds[at](1)
        return at


class Coloured(enum.Enum):
    RED = 1

    def __init__(self, value: int) -> None:
        self.count = 0


class AttributeOfEnumMember(Counting):
    def begin(self) -> Any:
        return Coloured.RED

    def bump(self) -> int:
        self.held.count += 1
        return int(self.held.count)


# Values with contents of their own.


class Array(Counting):
    def begin(self) -> Any:
        return array.array("i", [0])

    def bump(self) -> int:
        self.held[0] += 1
        return int(self.held[0])


class NumpyArray(Counting):
    def begin(self) -> Any:
        return np.zeros(1, dtype=np.int64)

    def bump(self) -> int:
        self.held[0] += 1
        return int(self.held[0])


class NumpyScalar(Counting):
    def begin(self) -> Any:
        return np.int64(0)

    def bump(self) -> int:
        self.held = self.held + np.int64(1)
        return int(self.held)


class OfDecimal(Counting):
    def begin(self) -> Any:
        return decimal.Decimal(0)

    def bump(self) -> int:
        self.held += 1
        return int(self.held)


class ExponentOfDecimal(Counting):
    def begin(self) -> Any:
        return decimal.Decimal("1")

    def bump(self) -> int:
        self.held *= decimal.Decimal("1.0")
        return -int(self.held.as_tuple().exponent)


class OfFraction(Counting):
    def begin(self) -> Any:
        return fractions.Fraction(0)

    def bump(self) -> int:
        self.held += 1
        return int(self.held)


class OfTimedelta(Counting):
    def begin(self) -> Any:
        return datetime.timedelta()

    def bump(self) -> int:
        self.held += datetime.timedelta(microseconds=1)
        return int(self.held.microseconds)


class OfDatetime(Counting):
    def begin(self) -> Any:
        return datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def bump(self) -> int:
        self.held += datetime.timedelta(days=1)
        return int(self.held.day) - 1


class OfDate(Counting):
    def begin(self) -> Any:
        return datetime.date(2026, 1, 1)

    def bump(self) -> int:
        self.held += datetime.timedelta(days=1)
        return int(self.held.day) - 1


class OfRandom(Counting):
    """After as many numbers as were drawn comes a known one."""

    def begin(self) -> Any:
        return random.Random(1)

    def bump(self) -> int:
        known = random.Random(1)
        numbers = [known.random() for _ in range(50)]
        return numbers.index(self.held.random()) + 1


class OfGlobalRandom(Counting):
    def bump(self) -> int:
        return int(random.random() * 0) + 3


class MethodOfRandom(Counting):
    def begin(self) -> Any:
        return random.Random(1).random

    def bump(self) -> int:
        known = random.Random(1)
        numbers = [known.random() for _ in range(50)]
        return numbers.index(self.held()) + 1


class OfBytesIO(Counting):
    def begin(self) -> Any:
        return io.BytesIO()

    def bump(self) -> int:
        self.held.write(b"i")
        return int(self.held.tell())


class OfSemaphore(Counting):
    def begin(self) -> Any:
        return threading.Semaphore(50)

    def bump(self) -> int:
        self.held.acquire()
        return 50 - int(self.held._value)


class ArgumentOfException(Counting):
    def begin(self) -> Any:
        return ValueError(0)

    def bump(self) -> int:
        self.held = ValueError(self.held.args[0] + 1)
        return int(self.held.args[0])


class ContextVariable(Counting):
    def begin(self) -> Any:
        held: Any = contextvars.ContextVar("held", default=0)
        return held

    def bump(self) -> int:
        self.held.set(self.held.get() + 1)
        return int(self.held.get())


class WeakReference(Counting):
    def begin(self) -> Any:
        self.kept = [FrozenKept(number) for number in range(4)]
        return weakref.ref(self.kept[0])

    def bump(self) -> int:
        at = self.kept.index(self.held()) + 1
        self.held = weakref.ref(self.kept[at])
        return at


class FrozenKept:
    def __init__(self, number: int) -> None:
        self.number = number


class ProxyOfDict(Counting):
    def begin(self) -> Any:
        return types.MappingProxyType({"n": 0})

    def bump(self) -> int:
        self.held = types.MappingProxyType({"n": self.held["n"] + 1})
        return int(self.held["n"])


class Memory(Counting):
    def begin(self) -> Any:
        return memoryview(bytearray(1))

    def bump(self) -> int:
        self.held[0] += 1
        return int(self.held[0])
