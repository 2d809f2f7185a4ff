"""Encodes a process or a component at one moment as a value that can be compared: its fingerprint.

Two moments have equal fingerprints only if the same code, run from either, does the same.  A
fingerprint keeps:

- code position, locals and evaluation stack of every generator;
- the attributes of every object.

It leaves out object identity, order of creation, times and causes.  Objects are numbered in the
order in which the encoder meets them.  So a fingerprint with one object met twice differs from a
fingerprint with two equal objects.

A fingerprint is one flat tuple of plain values and tokens.  A `Token` stands for everything that is
more than a plain value: it says what that is, and how many of the items that follow belong to it.
So only one reading of a fingerprint is possible.

Chosen: the encoder takes the evaluation stack from `gc.get_referents`.  A `for` loop keeps its
iterator only there, so two rounds of a loop over equal items differ in nothing else.
Rejected: locals alone.  Such rounds would then count as the same moment, and a proof would prove
too much.
Not tried: the pickler of the standard library with a `persistent_id`.  Its callbacks alone would
cost a tenth to a third of a reading; what they would have to do was not measured.

The encoder refuses what it cannot read completely (`FingerprintError`): it must know a type
exactly, or objects of the type must consist of their attributes (`object_layout`).  Module globals
and class attributes are no part of a fingerprint; `outside_state` checks that model code does not
change them.

Left out: the order in which a set gives its items, which model code must not depend on; the
traceback of an exception; and what Python's own caches hold.
"""

import gc
import types
from collections.abc import Hashable, Iterable, Sequence
from enum import Enum
from typing import Any

import msgspec
import simpy
from simpy.events import PENDING, Event, Process

from ..sim.kernel import Delay, First, Kernel, Mailbox
from . import value_encoders
from .dense_kernel import Pending
from .interning import LEAVES, Fingerprint, Token, Tokens
from .liveness import require_tested_interpreter, without_dead
from .object_layout import KINDS, ByType, declared
from .object_path import path_to
from .state_errors import FingerprintError, SharedStateError
from .value_encoders import EncodeFunction, UnreadableError

__all__ = ["Encoder", "FingerprintError", "SharedStateError"]

_FRAME_OWN = frozenset({types.CodeType, types.FrameType})


class Encoder:
    """Reads the fingerprints of all parts of one moment.

    Args:
        owners: Part of each component that is a part of its own, by identity of the component.
        processes: Name of each live process, by identity; equal for equal moments.
        tokens: The tokens shared by all fingerprints that the search compares with each other.

    Raises:
        UntestedInterpreterError: If fingerprints were never tested under this interpreter.

    Attributes:
        delays: The pending delays met in the part that is being read, in order.
        fingerprint: The fingerprint of this part, as far as it has been read.
        made: Objects made for reading alone; they must live as long as their identity counts.
        tokens: The same as in the arguments.
    """

    def __init__(
        self, owners: dict[int, str], processes: dict[int, Fingerprint], tokens: Tokens
    ) -> None:
        require_tested_interpreter()
        self.tokens = tokens
        # Invariant: processes and parts have fingerprints of their own.  Here they stand as names,
        # and a meeting here leaves their own reading complete.
        self._named = {key: tokens[("process", name), 0] for key, name in processes.items()}
        self._named |= {key: tokens[("part", name), 0] for key, name in owners.items()}
        # Invariant: a number says how many things of this part were met before.  So it does not
        # depend on how many processes and parts there are elsewhere.
        self._named_count = len(self._named)
        self._homes: dict[int, str] | None = {} if owners else None
        self._known: dict[int, Token] = {}
        self.fingerprint: list[Hashable] = []
        self.made: list[object] = []
        self._part = ""
        self._kernel: object = None
        self.delays: list[Delay] = []

    def encode(self, part: str, things: Sequence[object]) -> Fingerprint:
        """Return the fingerprint of one part: of these things and all that they lead to.

        Raises:
            FingerprintError: If something among them cannot be read completely.
            SharedStateError: If something that can change belongs to another part as well.
        """
        # Every part starts with the named objects alone, so its fingerprint does not depend on
        # which parts were read before.
        self._part = part
        self._known = self._named.copy()
        self.fingerprint = [self.tokens[tuple, len(things)]]
        self.made = []
        self.delays = []
        try:
            for thing in things:
                self._root(thing)
        except UnreadableError as error:
            raise _refused(part, things, error) from None
        except RecursionError:
            remedy = "keep it flat, in a list or a dict"
            raise FingerprintError("chain of objects that is too long", part, remedy) from None
        return tuple(self.fingerprint)

    def _root(self, thing: Any) -> None:
        kind = type(thing)
        if kind in LEAVES:
            self.fingerprint.append(thing)
            return
        way = _VALUE_ENCODERS[kind]
        if way is not Encoder._met_or_new:
            way(self, thing)
            return
        # A root is read in full even where `_named` knows it: this is its own reading.
        known = self._known
        if id(thing) not in known:
            known[id(thing)] = self.tokens.new_met(len(known) - self._named_count)
        if isinstance(thing, Process):
            self._process(thing)
        elif _OBJECT_ENCODERS[kind] is _encode_instance:
            self._instance(thing, kind, is_root=True)
        else:
            _OBJECT_ENCODERS[kind](self, thing)

    def each(self, things: Iterable[Any]) -> None:
        """Read things one after the other."""
        # Invariant: plain values go in as they are.  Equal ones have equal types (`LEAVES`), so
        # equality of fingerprints is equality of types and contents.
        put = self.fingerprint.append
        for thing in things:
            kind = type(thing)
            if kind in LEAVES:
                put(thing)
            else:
                _VALUE_ENCODERS[kind](self, thing)

    # Values without identity: the same at every place where they are met.

    def _bool(self, thing: bool) -> None:
        # True is equal to 1 in Python, so a bool gets a token of its own.
        self.fingerprint.append(_TRUE if thing else _FALSE)

    def _tuple(self, things: tuple[Any, ...]) -> None:
        self.fingerprint.append(self.tokens[tuple, len(things)])
        self.each(things)

    def _the_kernel(self, kernel: object) -> None:
        if self._kernel is None:
            self._kernel = kernel
        if self._kernel is not kernel or not isinstance(kernel, Kernel):
            raise UnreadableError(kernel, "let all processes live in one kernel")
        self.fingerprint.append(_THE_KERNEL)

    def _frozen(self, thing: Any) -> None:
        token = self.tokens.of_value(thing)
        if token is None:
            self._met_or_new(thing)
        else:
            self.fingerprint.append(token)

    # Objects with identity: a second meeting gives the number of the first.

    def _met_or_new(self, thing: Any) -> None:
        # Invariant: an object in `known` is alive until the end of `read`, held by the model or by
        # `made`.  So no other object gets its identity meanwhile.
        known = self._known
        token = known.get(id(thing))
        if token is not None:
            self.fingerprint.append(token)
            return
        # The number is taken before the body is read, so a cycle ends at its first repetition.
        try:
            known[id(thing)] = self.tokens.met[len(known) - self._named_count]
        except IndexError:
            known[id(thing)] = self.tokens.new_met(len(known) - self._named_count)
        _OBJECT_ENCODERS[type(thing)](self, thing)

    def claim(self, thing: object) -> None:
        """Note that this part holds a mutable thing; raises if another part holds it as well."""
        # Invariant: parts share nothing that can change, so an event that enters one part leaves
        # the fingerprints of the others as they are.
        if self._homes is None:
            return
        home = self._homes.setdefault(id(thing), self._part)
        if home != self._part:
            raise SharedStateError(type(thing).__name__, home, self._part)

    def attributes(self, attributes: dict[str, object]) -> None:
        """Read attributes whose names are not those of the type alone."""
        names = sorted(attributes)
        self.fingerprint.append(self.tokens[("attributes", *names), len(names)])
        self.each([attributes[name] for name in names])

    def _instance(self, thing: Any, kind: type, *, is_root: bool) -> None:
        how = KINDS[kind]
        if how.table is None and not how.slots:
            # Without attributes all objects of the type are alike.
            self.fingerprint.append(self.tokens[declared(kind), 0])
            return
        if not is_root:
            self.claim(thing)
        if how.slots:
            slots = how.slot_values(thing)
            names = tuple([name for name, _ in slots])
            has_table = how.table is not None
            self.fingerprint.append(
                self.tokens[(declared(kind), "slots", names), len(slots) + has_table]
            )
            self.each([value for _, value in slots])
            if how.table is None:
                return
        assert how.table is not None
        # The order of the attributes depends on history; values stand in the order of the names.
        attributes = how.table(thing)
        token, values_of = self.tokens.attributes[kind, *attributes]
        put = self.fingerprint.append
        put(token)
        for value in values_of(attributes):
            value_kind = type(value)
            if value_kind in LEAVES:
                put(value)
            else:
                _VALUE_ENCODERS[value_kind](self, value)

    # Processes and what they wait for.

    def _process(self, process: Process) -> None:
        self._more(process)
        self.each((process.target,))
        self._generator(process._generator)
        self._waiters(process)

    def _more(self, event: Event) -> None:
        """Read the attributes of an event beside those of every event of its kind."""
        kind = type(event)
        how = KINDS[kind]
        if how.hides:
            raise UnreadableError(event)
        assert how.table is not None, "SimPy's events have a table of attributes"
        table = how.table(event)
        more: dict[str, object] = {
            name: table[name] for name in table.keys() - _EVENT_OWN.get(kind, _EVENT_BOOKS)
        }
        if how.slots:
            more |= dict(how.slot_values(event))
        if more:
            self.claim(event)
            self.fingerprint.append(self.tokens["more", 2])
            self.attributes(more)
        # A failure that is not defused ends the run; a defused one does not.
        if table.get("_ok") is False:
            self.fingerprint.append(self.tokens[("failed", "_defused" in table), 1])

    def _event(self, event: Event) -> None:
        put, tokens = self.fingerprint.append, self.tokens
        self._more(event)
        callbacks = event.callbacks
        if isinstance(event, Process):
            put(tokens["ended", 1])
            self.each((event._value,))
            return
        if isinstance(event, Delay):
            if callbacks is None:
                put(tokens[("past delay", event.label), 0])
                return
            # Invariant: `delays` names the pending delays of a part in the order of its
            # fingerprint, so equal fingerprints give each delay the same position, and with it the
            # same clock.
            self.claim(event)
            self.delays.append(event)
            put(tokens[("delay", event.label), 1])
            self._waiters(event)
            return
        is_triggered = event._value is not PENDING
        if not is_triggered and not callbacks:
            # Only its identity distinguishes it from another pending event without waiters.
            self.claim(event)
        events = getattr(event, "_events", ())
        head = (type(event), is_triggered, callbacks is None, len(events))
        put(tokens[head, is_triggered + len(events) + 1])
        if is_triggered:
            self.each((event._value,))
        self.each(events)
        self._waiters(event)

    def _waiters(self, event: Event) -> None:
        callbacks = event.callbacks
        if not callbacks:
            self.fingerprint.append(_NO_WAITERS)
            return
        self.fingerprint.append(self.tokens["waiters", len(callbacks)])
        # The order of the callbacks stays: the event resumes its waiters in this order.
        for callback in callbacks:
            if getattr(callback, "__func__", None) is First._on_event:
                race: First = callback.__self__  # type: ignore[attr-defined]
                # The process that waits for the race holds it, and is read with all its events.
                self.fingerprint.append(self.tokens[("race", race._events.index(event)), 1])
                self._waiters(race)
            else:
                self.each((callback,))

    def _generator(self, body: Any) -> None:
        frame = body.gi_frame
        if frame is None:
            self.fingerprint.append(self.tokens["ended", 0])
            return
        # Invariant: the referents of a suspended generator are its whole memory: its names, its
        # locals, its evaluation stack (tested interpreters only, `require_tested_interpreter`).
        own_locals = frame.f_locals
        code = body.gi_code
        found = [
            each
            for each in gc.get_referents(body)
            if (kind := type(each)) in LEAVES or not (kind in _FRAME_OWN or each is own_locals)
        ]
        # Its own function comes first.  A second function of the same code is a value like others.
        for at, each in enumerate(found):
            if type(each) is types.FunctionType and each.__code__ is code:
                del found[at]
                break
        held = without_dead(body, own_locals, found)
        # An exception that was raised and handled further down leaves a None at the end that means
        # nothing.  To drop another None there is safe.  At one place in the code there are always
        # equally many values, so no two states come to look the same.
        if held and held[-1] is None:
            held.pop()
        # `f_locals` is the same dictionary for all readings and grows, so its names are copied.
        local_names = tuple(sorted(own_locals))
        seen = frame.f_globals
        token = self.tokens.of_code(code, seen, frame.f_lasti, local_names, count=len(held))
        self.fingerprint.append(token)
        self.each(held)


def _refused(part: str, things: Sequence[object], error: UnreadableError) -> FingerprintError:
    """Return the error that names what could not be read, and the way to it."""
    way = path_to(error.thing, things)
    place = f"{part}: {way}" if way else part
    kind = type(error.thing)
    name = kind.__qualname__ if kind.__module__ == "builtins" else (
        f"{kind.__module__}.{kind.__qualname__}"
    )  # fmt: skip
    return (
        FingerprintError(name, place, error.remedy)
        if error.remedy
        else FingerprintError(name, place)
    )


_TRUE, _FALSE = Token(True, 0), Token(False, 0)
_THE_KERNEL = Token("the kernel", 0)
_NO_WAITERS = Token("no waiters", 0)


def _encode_instance(encoder: Encoder, thing: Any) -> None:
    encoder._instance(thing, type(thing), is_root=False)


def _encode_generator(encoder: Encoder, thing: Any) -> None:
    encoder.claim(thing)
    encoder._generator(thing)


def _encode_mailbox(encoder: Encoder, mailbox: Any) -> None:
    encoder.claim(mailbox)
    items, attributes = mailbox._items, vars(mailbox)
    if len(attributes) > len(_MAILBOX_OWN):
        more = {name: attributes[name] for name in attributes.keys() - _MAILBOX_OWN}
        encoder.fingerprint.append(encoder.tokens["more", 2])
        encoder.attributes(more)
    encoder.fingerprint.append(encoder.tokens[Mailbox, len(items) + 1])
    # The cause of an item is a position in the trace and decides nothing.
    encoder.each([item for item, _ in items])
    encoder.each((mailbox._arrived,))


def _value_encoder_of(kind: type) -> EncodeFunction:
    if issubclass(kind, simpy.Environment):
        return Encoder._the_kernel
    if issubclass(kind, type):
        return value_encoders.encode_class
    if issubclass(kind, Enum):
        return Encoder._frozen
    if issubclass(kind, msgspec.Struct) and kind.__struct_config__.frozen:
        return Encoder._frozen
    return value_encoders.VALUE_ENCODERS.get(kind, Encoder._met_or_new)


def _object_encoder_of(kind: type) -> EncodeFunction:
    if issubclass(kind, Event):
        return Encoder._event
    return (
        value_encoders.OBJECT_ENCODERS.get(kind)
        or value_encoders.object_encoder_of(kind)
        or _encode_instance
    )


_EVENT_BOOKS = frozenset({"env", "callbacks", "_value", "_ok", "_defused", "_events"})
_EVENT_OWN = {
    Process: _EVENT_BOOKS | {"_generator", "_target"},
    Delay: _EVENT_BOOKS | {"label"},
    Pending: _EVENT_BOOKS | {"label", "span", "serial", "led_by"},
}
"""Attributes of events, by type, that other code reads, or that only say how they were made."""

_MAILBOX_OWN = frozenset({"_kernel", "_items", "_arrived"})

_VALUE_ENCODERS: ByType[EncodeFunction] = ByType(
    _value_encoder_of, {bool: Encoder._bool, tuple: Encoder._tuple}
)
_OBJECT_ENCODERS: ByType[EncodeFunction] = ByType(
    _object_encoder_of,
    {object: _encode_instance, types.GeneratorType: _encode_generator, Mailbox: _encode_mailbox},
)
