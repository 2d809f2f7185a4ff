"""Checks that model code changes no module globals, class attributes or defaults of functions.

Such a thing belongs to no object of a model, so it is no part of a state.  A search runs a model
again and again in one process, so the thing would keep its value from one run to the next.  Model
code may read it; a change is an error that names it (`OutsideStateError`).

The check finds what a model *can* reach from the classes of its objects and the code of its
processes: the functions and globals that this code names, and so on.  It does not follow code of
the standard library and of quiesce.  After each event it compares the identity of every value that
it has found, and the fingerprint of every value that can change inside.

Not seen: a global of another module than the code's own, if its name is put together at run time;
and what code written in C remembers.
"""

import sys
import sysconfig
import types
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cached_property
from itertools import islice, repeat
from operator import is_
from pathlib import Path
from typing import Any, NamedTuple

from .encoder import Encoder
from .interning import LEAVES, Fingerprint, Tokens
from .state_errors import OutsideStateError

_PLAIN = LEAVES | {bool, float}
_ABSENT = object()


class OutsideState:
    """Checks what a model can reach and must not change.

    Args:
        tokens: The tokens of the model's fingerprints; they name the types and the code that were
            met.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._looked_at = (0, 0)
        self._spaces: dict[int, _Space] = {}
        self._values: list[tuple[str, object, Fingerprint]] = []
        self._functions: list[tuple[str, Any, tuple[object, ...]]] = []
        self._met: dict[int | tuple[int, int], object] = {}
        self._is_foreign = False

    def check(self) -> None:
        """Check that nothing has changed, and take up what was met since the last call.

        Raises:
            OutsideStateError: If something has changed.
            FingerprintError: If the check cannot read a value completely.
        """
        for space in self._spaces.values():
            space.check()
        for where, function, before in self._functions:
            if not all(map(is_, _of_function(function), before)) or _remembers(function):
                raise OutsideStateError(where)
        for where, value, fingerprint in self._values:
            if self._read(where, value) != fingerprint:
                raise OutsideStateError(where)
        # Taking up a value reads its fingerprint, which may meet new types and code: hence the
        # loop.
        while self._looked_at < (len(self._tokens.kinds), len(self._tokens.code)):
            self._take_up()

    def _take_up(self) -> None:
        kinds_before, code_before = self._looked_at
        kinds = list(islice(self._tokens.kinds, kinds_before, None))
        codes = list(islice(self._tokens.code.values(), code_before, None))
        self._looked_at = (len(self._tokens.kinds), len(self._tokens.code))
        if not self._is_foreign:
            # A model of quiesce's own parts alone is trusted: it needs no check.
            self._is_foreign = any(
                not is_trusted(each.__module__) for kind in kinds for each in kind.__mro__
            ) or any(not is_trusted(str(seen.get("__name__"))) for _, seen in codes)
            if not self._is_foreign:
                return
            kinds = list(self._tokens.kinds)
            codes = list(self._tokens.code.values())
        for kind in kinds:
            self._class(kind)
        for code, seen in codes:
            self._code(code, seen)

    def _read(self, where: str, value: object) -> Fingerprint:
        return Encoder({}, {}, self._tokens).encode(where, [value])

    def _is_new(self, thing: object) -> bool:
        if id(thing) in self._met:
            return False
        self._met[id(thing)] = thing
        return True

    # Taking up classes, code, modules and values.

    def _class(self, kind: type) -> None:
        for base in kind.__mro__:
            if not base.__flags__ & _CAN_CHANGE or not self._is_new(base):
                continue
            where = f"{base.__module__}.{base.__qualname__}"
            space = _Space(where, vars(base))
            space.add(vars(base))
            self._spaces[id(base)] = space
            self._class(type(base))
            if is_trusted(base.__module__):
                continue
            for name, value in list(vars(base).items()):
                if issubclass(base, Enum):
                    self._of_enum(f"{where}.{name}", value)
                elif name not in _OF_PYTHON:
                    self._value(f"{where}.{name}", value)

    def _of_enum(self, where: str, value: Any) -> None:
        if isinstance(value, Enum):
            self._deep(where, vars(value))
        elif isinstance(value, types.FunctionType | property | classmethod | staticmethod):
            self._value(where, value)

    def _code(self, code: types.CodeType, seen: dict[str, Any]) -> None:
        module = str(seen.get("__name__"))
        if is_trusted(module) or (id(code), id(seen)) in self._met:
            return
        self._met[id(code), id(seen)] = (code, seen)
        names = _names_of(code)
        space = self._spaces.get(id(seen))
        if space is None:
            space = self._spaces[id(seen)] = _Space(module, seen)
        can_take_any = not _BY_NAME.isdisjoint(names)
        space.add(names | dict.fromkeys(seen) if can_take_any else names)
        self._names(module, seen, names)

    def _names(self, module: str, seen: Mapping[str, Any], names: dict[str, None]) -> None:
        can_take_any = not _BY_NAME.isdisjoint(names)
        for name in [*names, *(seen if can_take_any else ())]:
            value = seen.get(name)
            if isinstance(value, types.ModuleType):
                self._module(value, names)
            elif name not in _OF_PYTHON and (name in names or type(value) in _CONTAINERS):
                self._value(f"{module}.{name}", value)

    def _module(self, module: types.ModuleType, names: dict[str, None]) -> None:
        space, name = vars(module), module.__name__
        key = (id(module), hash(tuple(names)))
        if key in self._met:
            return
        self._met[key] = module
        found = {each: None for each in names if each in space}
        if not is_trusted(name):
            self._spaces.setdefault(id(space), _Space(name, space)).add(found)
            self._names(name, space, found)
            return
        for each in found:
            value = space[each]
            if isinstance(value, types.ModuleType):
                self._module(value, names)
            elif getattr(value, "__self__", None) is not None or (
                type(value) in _CONTAINERS and name.partition(".")[0] == "quiesce"
            ):
                self._value(f"{name}.{each}", value)

    def _value(self, where: str, value: Any) -> None:
        kind = type(value)
        if kind in _PLAIN or kind in _DESCRIPTORS:
            return
        if isinstance(value, type):
            self._class(value)
        elif kind is types.FunctionType:
            self._function(where, value)
        elif kind is types.ModuleType:
            self._module(value, dict.fromkeys(vars(value)))
        elif kind in _MADE_OF:
            for name in _MADE_OF[kind]:
                self._value(where, getattr(value, name))
        elif isinstance(value, Enum):
            self._class(kind)
        elif kind.__module__ != "typing" or not hasattr(sys.modules["typing"], kind.__name__):
            self._deep(where, value)

    def _function(self, where: str, function: Any) -> None:
        if not self._is_new(function):
            return
        if _remembers(function):
            self._values.append((where, function, self._read(where, function)))
        else:
            self._functions.append((where, function, _of_function(function)))
        self._code(function.__code__, function.__globals__)

    def _deep(self, where: str, value: object) -> None:
        if self._is_new(value):
            self._values.append((where, value, self._read(where, value)))


class _Space:
    """The names of a class or a module whose values must stay as they are.

    Args:
        where: The class or module.
        space: Its names and values.
    """

    def __init__(self, where: str, space: Mapping[str, Any]) -> None:
        self._where = where
        self._space = space
        self._before: dict[str, object] = {}

    def add(self, names: Mapping[str, object]) -> None:
        """Check these names too, even those that have no value yet."""
        for name in names:
            self._before.setdefault(name, self._space.get(name, _ABSENT))

    def check(self) -> None:
        """Check that every name has the value that it had."""
        # Invariant: the fast comparison accepts only spaces in which every name has the identical
        # value, and a class space also has no new name.
        before = self._before
        same = map(is_, map(self._space.get, before, repeat(_ABSENT)), before.values())
        if all(same) and (type(self._space) is dict or len(self._space) == len(before)):
            return
        new: dict[str, object] = {}
        if type(self._space) is not dict:
            new = dict.fromkeys(self._space.keys() - before.keys(), _ABSENT)
        for name, value in (before | new).items():
            now = self._space.get(name, _ABSENT)
            if name in _OF_PYTHON or now is value or isinstance(now, types.ModuleType):
                continue
            if type(now) is type(value) and type(now) in _PLAIN and now == value:
                continue
            raise OutsideStateError(f"{self._where}.{name}")


def is_trusted(module: str) -> bool:
    """Return whether a module's code is known to keep nothing from one event to the next."""
    top = module.partition(".")[0]
    if top in _TRUSTED:
        return True
    if top not in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or (Path(file).is_relative_to(_STDLIB) and "site-packages" not in file)


def _names_of(code: types.CodeType) -> dict[str, None]:
    """Return all names that code can use, with those in its string constants."""
    names: dict[str, None] = {}
    todo = deque([code])
    while todo:
        each = todo.popleft()
        names |= dict.fromkeys(each.co_names)
        for constant in each.co_consts:
            if isinstance(constant, str) and constant.isidentifier():
                names[constant] = None
            elif isinstance(constant, types.CodeType):
                todo.append(constant)
    return names


def _of_function(function: Any) -> tuple[object, ...]:
    return function.__code__, function.__defaults__, function.__name__, function.__qualname__


def _remembers(function: Any) -> bool:
    """Return whether a function has something that can change from one call to the next."""
    if function.__kwdefaults__ or function.__dict__:
        return True
    if not _PLAIN.issuperset(map(type, function.__defaults__ or ())):
        return True
    return any(not isinstance(each, type) for each in _contents(function))


def _contents(function: Any) -> Iterator[object]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            yield None


_CAN_CHANGE = 1 << 9
"""The flag of types whose attributes can be set."""

_TRUSTED = frozenset({"quiesce", "simpy", "msgspec", "numpy", "networkx", "builtins"})
_STDLIB = sysconfig.get_path("stdlib")

_CONTAINERS = (list, dict, set, deque, bytearray)


class _Pair(NamedTuple):
    first: int


_DESCRIPTORS = frozenset(
    {
        types.MemberDescriptorType,
        types.GetSetDescriptorType,
        types.WrapperDescriptorType,
        types.MethodDescriptorType,
        types.ClassMethodDescriptorType,
        type(_Pair.__dict__["first"]),
    }
)

_MADE_OF: dict[type, tuple[str, ...]] = {
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
    cached_property: ("func",),
}
"""Wrappers of functions in classes, and the attributes that hold the functions."""

_BY_NAME = frozenset({"globals", "vars", "exec", "eval", "__dict__", "__globals__", "f_globals"})
"""Names with which code can reach a global without naming it."""

_OF_PYTHON = frozenset(
    {
        *("__annotations__", "__builtins__", "__cached__", "__class_getitem__", "__dict__"),
        *("__dataclass_fields__", "__dataclass_params__", "__doc__", "__file__", "__loader__"),
        *("__match_args__", "__module__", "__name__", "__observed__", "__orig_bases__"),
        *("__package__", "__parameters__", "__path__", "__qualname__", "__slots__", "__spec__"),
        *("__struct_config__", "__struct_defaults__", "__struct_encode_fields__"),
        *("__struct_fields__", "__weakref__", "__abstractmethods__", "_abc_impl"),
    }
)
"""Attributes that Python keeps for itself, and may make at the first access."""
