"""Which locals of a suspended generator can still be read, by its bytecode.

A local that the code overwrites before it reads it, on every path from here on, is *dead*: no run
depends on it.  For example, a process that loops keeps the last request that it has served in a
local until the next one comes.  Two moments that differ in dead locals alone are the same moment
(`encoder`).

This is the backward data-flow analysis of compilers (live variables), over bytecode:

    read before i = uses of i, and (read after i without what i sets), and read by the handlers of i

An exception may come before an instruction has set its local, and the death of a process is an
exception at its `yield`.  So what the handlers of an instruction read is live before and after it.
Where an instruction is not known, more locals count as live, never fewer.

Source:
    Aho, Lam, Sethi and Ullman, Compilers, 9.2.5; dead variables in model checking: Holzmann, The
    Spin Model Checker, 2003; the `dis` module of Python.
"""

import dis
import sys
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from types import CodeType
from typing import Any

from .state_errors import UntestedInterpreterError

TESTED = ((3, 11), (3, 12), (3, 13))
"""CPython versions under which the tests of fingerprints and proofs pass (`make interpreters`)."""

DEAD = "dead"
"""Stands in a fingerprint in the place of a dead local."""

_SETS = frozenset({"STORE_FAST", "DELETE_FAST"})
_NEVER_GOES_ON = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})
_ONLY_JUMPS = ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_ABSOLUTE")

Names = frozenset[str]

_READ_ALL = frozenset(
    {"locals", "vars", "dir", "eval", "exec", "f_locals", "gi_frame", "_getframe"}
)
"""Names with which code can read a local without naming it."""


def require_tested_interpreter() -> None:
    """Refuse an interpreter under which a proof could be wrong because no test has run there.

    Fingerprints rely on its bytecode, and on `gc.get_referents` giving the whole stack of a
    generator.

    Raises:
        UntestedInterpreterError: If its version is not in `TESTED`, or if it has no global
            interpreter lock.
    """
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    name = sys.implementation.name
    if name != "cpython" or free_threaded or sys.version_info[:2] not in TESTED:
        text = f"{name} {sys.version_info[0]}.{sys.version_info[1]}"
        raise UntestedInterpreterError(f"free-threaded {text}" if free_threaded else text, TESTED)


@lru_cache(maxsize=8192)
def dead_locals(code: CodeType, at: int) -> Names:
    """Return the locals that the code never reads after a suspended instruction.

    Args:
        code: The code of the generator.
        at: Offset of the instruction at which it is suspended; -1 if it has not begun.
    """
    # Invariant: in case of doubt a local is live.  A live local too many costs states; a dead
    # local too many would merge states that differ.
    live = _live_after(code).get(at)
    if live is None or not _READ_ALL.isdisjoint(code.co_names):
        return frozenset()
    # A variable that an inner function sees lives as long as that function.
    return frozenset(code.co_varnames) - live - frozenset(code.co_cellvars)


def without_dead(body: Any, own_locals: dict[str, object], held: list[Any]) -> list[Any]:
    """Return the referents of a generator, with a mark in place of each dead local.

    The referents are its name, its qualified name, the bound locals in the order of
    `co_varnames`, and then the rest.  Where they are not, the list is returned unchanged.
    """
    code = body.gi_code
    dead = dead_locals(code, body.gi_frame.f_lasti)
    if not dead:
        return held
    bound = [name for name in code.co_varnames if name in own_locals]
    if dead.isdisjoint(bound) or len(held) < 2 + len(bound):
        return held
    if held[0] is not body.__name__ or held[1] is not body.__qualname__:
        return held
    # Each position is checked by identity before any is marked: a referent is never taken for a
    # local that it is not.  A cell stands for its variable, which is not compared.
    cells = code.co_cellvars
    for each, name in zip(held[2:], bound, strict=False):
        if each is not own_locals[name] and name not in cells:
            return held
    marked = [DEAD if name in dead else each for each, name in zip(held[2:], bound, strict=False)]
    return [*held[:2], *marked, *held[2 + len(bound) :]]


@lru_cache(maxsize=1024)
def _live_after(code: CodeType) -> dict[int, Names]:
    instructions = list(dis.get_instructions(code))
    where = {each.offset: position for position, each in enumerate(instructions)}
    after = [_successors(instructions, where, position) for position in range(len(instructions))]
    handlers = _handlers(code, instructions, where)
    effects = [_effect(each) for each in instructions]
    # Invariant: the sets of `before` only grow from round to round and are bounded by the locals,
    # so the loop ends, at the least fixed point.
    before: list[Names] = [frozenset()] * len(instructions)
    has_changed = True
    while has_changed:
        has_changed = False
        for position in reversed(range(len(instructions))):
            # What handlers read is not reduced by `sets`: the exception may come first.
            uses, sets = effects[position]
            caught = _union(before, handlers[position])
            live = uses | (_union(before, after[position]) - sets) | caught
            if live != before[position]:
                before[position] = live
                has_changed = True
    return {
        each.offset: _union(before, after[position]) | _union(before, handlers[position])
        for position, each in enumerate(instructions)
    }


def _union(sets: list[Names], positions: Iterable[int]) -> Names:
    return frozenset().union(*[sets[position] for position in positions])


def _successors(
    instructions: list[dis.Instruction], where: dict[int, int], position: int
) -> tuple[int, ...]:
    # An instruction has at most two successors: its jump, and the next one unless it never goes on.
    each = instructions[position]
    found = []
    if each.opcode in dis.hasjrel or each.opcode in dis.hasjabs:
        found.append(where[each.argval])
    goes_on = each.opname not in _NEVER_GOES_ON and not each.opname.startswith(_ONLY_JUMPS)
    if goes_on and position + 1 < len(instructions):
        found.append(position + 1)
    return tuple(found)


def _handlers(
    code: CodeType, instructions: list[dis.Instruction], where: dict[int, int]
) -> list[tuple[int, ...]]:
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]  # not in typeshed
    return [
        tuple(where[entry.target] for entry in entries if entry.start <= each.offset < entry.end)
        for each in instructions
    ]


def _effect(each: dis.Instruction) -> tuple[Names, Names]:
    """Return which locals an instruction reads, and which it sets without reading them."""
    if "_FAST" not in each.opname:
        return frozenset(), frozenset()
    named = frozenset({each.argval} if isinstance(each.argval, str) else each.argval)
    if each.opname in _SETS:
        return frozenset(), named
    # All others with a local in their name count as reads, also those that read and set.
    return named, frozenset()
