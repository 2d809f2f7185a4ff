"""The path from a component to a thing that it holds, written as model code would write it.

The encoder looks for it only when it refuses a thing, so that the error can say where it stands.
"""

import types
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from simpy.events import Event, Process

from ..sim.kernel import Kernel, Mailbox
from .object_layout import KINDS

LOOKED_AT_MAX = 20_000
"""Objects after which the encoder gives the path up; the error then names the part alone."""


def path_to(thing: object, roots: Sequence[object]) -> str:
    """Return the shortest path from one of the roots to a thing; empty if there is none."""
    # Breadth first: the first path found is a shortest one.
    todo = deque((_name(root), root) for root in roots)
    met = {id(root) for root in roots}
    while todo and len(met) < LOOKED_AT_MAX:
        way, here = todo.popleft()
        if here is thing:
            return way
        for step, inner in _inside(here):
            if id(inner) not in met and not isinstance(inner, Kernel):
                met.add(id(inner))
                todo.append((f"{way}{step}", inner))
    return ""


def _name(root: Any) -> str:
    if isinstance(root, Process):
        return f"{getattr(root._generator, '__name__', 'process')}()"
    name = getattr(root, "name", None)
    return name if isinstance(name, str) else type(root).__name__


def _inside(thing: Any) -> Iterator[tuple[str, object]]:
    """Give the things that a thing holds, each with the step to it."""
    kind = type(thing)
    if isinstance(thing, Process):
        yield "", thing._generator
    elif kind is types.GeneratorType and thing.gi_frame is not None:
        yield from ((f" {name}", value) for name, value in thing.gi_frame.f_locals.items())
        yield "", thing.gi_yieldfrom
    elif kind is types.MethodType:
        yield ".__self__", thing.__self__
        yield ".__func__", thing.__func__
    elif kind is types.BuiltinFunctionType:
        yield ".__self__", thing.__self__
    yield from _items(thing)
    yield from _attributes(thing)


def _items(thing: Any) -> Iterator[tuple[str, object]]:
    if isinstance(thing, dict):
        yield from ((f"[{key!r}]", value) for key, value in dict.items(thing))
    elif isinstance(thing, list | tuple | deque):
        yield from ((f"[{at}]", value) for at, value in enumerate(thing))
    elif isinstance(thing, set | frozenset):
        yield from (("{}", value) for value in thing)
    elif type(thing) is Mailbox:
        yield from ((f"[{at}]", value) for at, (value, _) in enumerate(thing._items))


def _attributes(thing: Any) -> Iterator[tuple[str, object]]:
    how = KINDS[type(thing)]
    if type(thing) is types.FunctionType:
        names = thing.__code__.co_freevars
        for name, cell in zip(names, thing.__closure__ or (), strict=True):
            try:
                yield f" {name}", cell.cell_contents
            except ValueError:
                continue
        yield ".__kwdefaults__", thing.__kwdefaults__
        yield ".__defaults__", thing.__defaults__
    if isinstance(thing, msgspec.Struct):
        for name in thing.__struct_fields__:
            yield f".{name}", object.__getattribute__(thing, name)
    if how.table is not None:
        for name, value in how.table(thing).items():
            if not (isinstance(thing, Event) and name == "env"):
                yield f".{name}", value
    for name, value in how.slot_values(thing):
        yield f".{name.partition('.')[2]}", value
