"""Putting a machine together from the stream of options.

`arguments` and `locations` read single arguments; `checks` examines the finished machine.
"""

import re
from collections.abc import Callable, Mapping

import msgspec

from ...model.base.errors import Place, nearest
from .arguments import Arguments
from .collector import Collector
from .config import LoadConfig, OptionValue, Release, SafetyMode, VmConfig
from .drafts import CpuDraft, Draft, PassDraft, ReserveDraft, VdevDraft
from .locations import Locations
from .numbers import AsinfoRange, shown
from .options import (
    BLOBS,
    CONTEXTS,
    KNOWN_BY_NAME,
    TOP_LEVEL,
    UNSUPPORTED_ACTIONS,
    UNSUPPORTED_KINDS,
    OptionSpec,
)
from .pass_groups import grouped
from .regions import Regions
from .remedies import remedy_for
from .settings import Settings
from .sources import WordStream, is_placeholder
from .tokens import Token
from .vdev_types import VDEV_TYPES, normalised

_FREE_TEXT = ("text", "pattern")
_KEY = re.compile(r"[A-Za-z_]\w*=")
_KEYLESS = frozenset({"system", "ram", "rom", "load", "hostdev", "name", "peer", "loc", "intr"})
"""Options whose argument never begins with a key and an equals sign."""

_SAFETY_MODES: dict[str, SafetyMode] = {"none": "none", "warn": "warn", "required": "required"}


class Assembly:
    """Reads every option once and keeps what it says.

    Args:
        stream: The words.
        collector: Gets problems and what is not modelled.
        asinfo: Entries of the system page; `None` if they are not known.
        user_vdevs: Types of vdevs of the user's own that are known to exist.
    """

    def __init__(
        self,
        stream: WordStream,
        collector: Collector,
        asinfo: Mapping[str, AsinfoRange] | None,
        user_vdevs: frozenset[str],
    ) -> None:
        self.option_count = 0
        self._stream = stream
        self._collector = collector
        self._arguments = Arguments(collector, asinfo)
        self._locations = Locations(self._arguments)
        self._own_types = set(user_vdevs)
        # The context that was opened last; an option that stands for itself does not close it.
        self._context: Draft | None = None
        self._context_count = 0
        # The option that was read last, for errors about words behind it.
        self._previous = ""
        self._system: OptionValue | None = None
        self._regions = Regions(self._locations, collector)
        self._cpus: list[CpuDraft] = []
        self._vdevs: list[VdevDraft] = []
        self._passes: list[PassDraft] = []
        self._loads: list[LoadConfig] = []
        self._settings = Settings(self._arguments)
        self._options: list[OptionValue] = []
        self._safety: SafetyMode = "none"
        self._dump = ""
        self._dryrun = False
        self._seen: dict[str, Place] = {}
        self._release_marks: dict[Release, Token] = {}
        self._special: dict[str, Callable[[Token, OptionValue, list[Token]], None]] = {
            "system": self._take_system,
            "ram": self._take_ram,
            "rom": self._take_rom,
            "load": self._take_load,
            "set": self._take_set,
            "dump": self._take_dump,
            "safety": self._take_safety,
            "dryrun": self._take_dryrun,
            "unsupported": self._take_unsupported,
            "vdev": self._open_vdev,
            "pass": self._open_pass,
            "cpu": self._open_cpu,
            "reserve": self._open_reserve,
        }

    def read_all(self) -> None:
        """Read the stream to its end."""
        while (token := self._stream.next_option()) is not None:
            self.option_count += 1
            self._option(token)

    def finished(self, release: Release | None) -> VmConfig:
        """Return the machine as plain data, without the notes.

        Args:
            release: The release that the caller knows of, if any.
        """
        return VmConfig(
            name=self._system.arguments[0] if self._system else "",
            files=tuple(self._collector.files),
            ram=tuple(self._regions.ram),
            rom=tuple(self._regions.rom),
            reserve=tuple(self._regions.reserve),
            cpus=tuple(cpu.finished() for cpu in self._cpus),
            vdevs=tuple(vdev.finished() for vdev in self._vdevs),
            passes=grouped(self._passes, self._collector),
            loads=tuple(self._loads),
            settings=tuple(self._settings.taken),
            options=tuple(self._options),
            safety=self._safety,
            dump=self._dump,
            dryrun=self._dryrun,
            release=self._release(release),
        )

    def damaged(self) -> frozenset[Place]:
        """Return the places of contexts with an error inside, which need no second one."""
        drafts: list[Draft] = [*self._vdevs, *self._passes]
        return frozenset(draft.place for draft in drafts if draft.is_damaged)

    def with_notes(self, config: VmConfig) -> VmConfig:
        """Return the machine with what was noted while it was read and checked."""
        return msgspec.structs.replace(
            config,
            notes=self._collector.notes_in_order(),
            not_modelled=tuple(self._collector.unmodelled),
        )

    # What an option word can be, in the order in which it is tried.

    def _option(self, token: Token) -> None:
        # The order decides: an option of the open context hides one of the same name at the top.
        word = token.text
        context = self._context
        if token.quoted:
            self._unknown(token)
        elif context is not None and word in context.specs:
            self._context_option(token, context)
        elif word in TOP_LEVEL:
            self._top_level(token, "")
        elif word in BLOBS and self._follows("load", "pass"):
            self._previous = word
            self._top_level(self._stream.take(), word)
        elif word in KNOWN_BY_NAME:
            self._known_by_name(token)
        elif isinstance(context, VdevDraft) and context.kind is None:
            self._free_option(token, context)
        else:
            self._unknown(token)

    def _top_level(self, token: Token, blob: str) -> None:
        spec = TOP_LEVEL[token.text]
        words = self._words_for(token, spec)
        self._previous = token.text
        if words is None:
            return
        self._repeated(token, spec, self._seen, "the configuration")
        value = self._arguments.option(token, spec, words)
        text = " ".join([blob, token.text, *value.arguments]).strip()
        if not spec.modelled:
            self._collector.not_modelled(token.place, text)
        take = self._special.get(token.text)
        self._context_count += token.text in CONTEXTS
        if take is None:
            self._options.append(value)
        else:
            take(token, value, [Token(blob, token.place), *words])

    def _context_option(self, token: Token, context: Draft) -> None:
        # Invariant: a context is damaged if an error lies inside it; `checks` then keeps silent
        # about what it lacks.
        errors = len(self._collector.errors)
        self._read_context_option(token, context)
        context.is_damaged |= len(self._collector.errors) > errors

    def _read_context_option(self, token: Token, context: Draft) -> None:
        spec = context.specs[token.text]
        words = self._words_for(token, spec)
        self._previous = token.text
        if words is None:
            return
        self._repeated(token, spec, context.seen, context.title)
        if isinstance(context, ReserveDraft):
            self._regions.add_reserve(words[0])
        elif isinstance(context, PassDraft):
            self._pass_option(token, words[0], context)
        elif isinstance(context, VdevDraft) and self._vdev_option(token, words, context):
            pass
        else:
            context.options.append(self._arguments.option(token, spec, words))
            if not spec.modelled:
                text = " ".join([token.text, *(word.text for word in words)])
                self._collector.not_modelled(token.place, text)
            self._mark_release(token)

    def _known_by_name(self, token: Token) -> None:
        """Take every word up to the next option, because the option's page is not known."""
        words = [token.text]
        while (word := self._stream.peek()) is not None and not self._is_option(word):
            words.append(self._stream.take().text)
        self._options.append(OptionValue(token.text, token.place, tuple(words[1:])))
        self._collector.not_modelled(token.place, " ".join(words), "known by name only")

    def _free_option(self, token: Token, context: VdevDraft) -> None:
        word = self._stream.peek()
        arguments: tuple[str, ...] = ()
        if word is not None and (word.quoted or not self._is_option(word)):
            arguments = (self._stream.take().text,)
        context.options.append(OptionValue(token.text, token.place, arguments))
        text = " ".join([token.text, *arguments])
        self._collector.not_modelled(token.place, text, f"an option of the user's {context.title}")

    # Words behind an option.

    def _words_for(self, token: Token, spec: OptionSpec) -> list[Token] | None:
        """Take an option's arguments; `None` and an error if one is missing."""
        words: list[Token] = []
        for kind in spec.arguments:
            word = self._stream.peek()
            if word is None or self._is_next_option(word, kind):
                found = "the text ends" if word is None else f"{shown(word.text)} follows"
                wanted = "an argument" if len(spec.arguments) == 1 else "its arguments"
                message = f"{token.text} needs {wanted}, but {found}"
                self._collector.error(token.place, message, word=token.text)
                return None
            words.append(self._stream.take())
            self._refuse_key(token, words[-1])
        return words

    def _refuse_key(self, option: Token, word: Token) -> None:
        """Report an argument of the form key=value, which is another program's way to write it."""
        if word.quoted or option.text not in _KEYLESS or not _KEY.match(word.text):
            return
        parts = word.text.split(",")
        values = ",".join(part.partition("=")[2] if _KEY.match(part) else part for part in parts)
        message = (
            f"{option.text}: {shown(word.text)} has the form key=value, which qvm does not know"
        )
        remedy = f"write {option.text} {values}"
        self._collector.error(word.place, message, word=word.text, remedy=remedy)

    def _is_next_option(self, word: Token, kind: str) -> bool:
        """Return whether a word in an argument's place is the next option instead."""
        if word.quoted or not self._is_option(word):
            return False
        # Free text may look like an option on the same line, but not at the start of the next one.
        return word.first or kind not in _FREE_TEXT

    def _is_option(self, word: Token) -> bool:
        if word.quoted:
            return False
        known = word.text in TOP_LEVEL or word.text in BLOBS or word.text in KNOWN_BY_NAME
        in_context = self._context is not None and word.text in self._context.specs
        is_file = word.text.startswith("@") and not is_placeholder(word.text)
        return known or in_context or is_file

    def _follows(self, *names: str) -> bool:
        word = self._stream.peek()
        return word is not None and not word.quoted and word.text in names

    def _repeated(self, token: Token, spec: OptionSpec, seen: dict[str, Place], owner: str) -> None:
        before = seen.get(token.text)
        seen[token.text] = token.place
        if before is None or spec.repeatable:
            return
        message = f"{token.text} of {owner} was already given at {before}"
        if token.text in ("system", "loc", "intr", "name"):
            remedy = "remove one of the two"
            self._collector.error(token.place, message, word=token.text, remedy=remedy)
        else:
            self._collector.note(token.place, f"{message}; the later one counts")

    # Words that are no option.

    def _unknown(self, token: Token) -> None:
        context = self._context
        if context is not None:
            context.is_damaged = True
        place = f" in {context.title}" if context else ""
        specs = context.specs if context else {}
        remedy = remedy_for(token.text, self._previous, specs)
        message = f"unknown option {shown(token.text)}{place}"
        self._collector.error(token.place, message, word=token.text, remedy=remedy)
        while (word := self._stream.peek()) is not None and not word.first:
            if self._is_option(word):
                return
            self._stream.take()

    # Options that stand for themselves.

    def _take_system(self, token: Token, value: OptionValue, _: list[Token]) -> None:
        early = next(iter(self._settings.taken), None)
        if early is not None:
            message = f"system stands behind the first set ({early.place})"
            self._collector.note(token.place, message, remedy="put system first")
        if self._system is None:
            self._system = value

    def _take_ram(self, token: Token, _: OptionValue, words: list[Token]) -> None:
        self._needed_earlier(token)
        self._regions.add_ram(words[1])

    def _take_rom(self, _: Token, __: OptionValue, words: list[Token]) -> None:
        self._regions.add_rom(words[1])

    def _needed_earlier(self, token: Token) -> None:
        """QNX 8.0 hypervisor guide, vm/ram: before anything that refers to guest memory."""
        users = [(load.place, "load") for load in self._loads]
        users += [
            (window.place, "a pass window with attribute m")
            for item in self._passes
            for window in item.windows
            if "m" in window.attributes
        ]
        if users:
            place, what = users[0]
            message = f"ram stands behind {what} ({place}), which already refers to guest memory"
            self._collector.error(token.place, message, word="ram", remedy="move ram up")

    def _take_load(self, token: Token, _: OptionValue, words: list[Token]) -> None:
        blob, word = words
        head, comma, tail = word.text.partition(",")
        address = None
        path = word.text
        if comma and (head[:1].isdigit() or head.startswith("$")):
            path = tail
            address = self._arguments.address(head, word.place, "load address")
        if not path:
            remedy = "write the path of the file behind the address"
            self._collector.error(word.place, "load names no file", word=word.text, remedy=remedy)
        self._loads.append(LoadConfig(token.place, path, blob.text, address))

    def _take_set(self, _: Token, __: OptionValue, words: list[Token]) -> None:
        context = self._context
        self._settings.take(
            words[1],
            words[2],
            vdev=len(self._vdevs) - 1 if isinstance(context, VdevDraft) else -1,
            cpu=len(self._cpus) - 1 if isinstance(context, CpuDraft) else -1,
        )

    def _take_dump(self, _: Token, value: OptionValue, __: list[Token]) -> None:
        self._dump = value.arguments[0]

    def _take_safety(self, _: Token, value: OptionValue, __: list[Token]) -> None:
        self._safety = _SAFETY_MODES.get(value.arguments[0], "none")

    def _take_dryrun(self, _: Token, __: OptionValue, ___: list[Token]) -> None:
        self._dryrun = True

    def _take_unsupported(self, token: Token, value: OptionValue, words: list[Token]) -> None:
        for word, allowed in zip(words[1:], (UNSUPPORTED_KINDS, UNSUPPORTED_ACTIONS), strict=True):
            row = OptionSpec("unsupported", ("word",), words=allowed)
            self._arguments.option(token, row, [word])
        self._options.append(value)

    # Contexts and what stands in them.

    def _open_cpu(self, token: Token, _: OptionValue, __: list[Token]) -> None:
        self._cpus.append(CpuDraft(token.place))
        self._context = self._cpus[-1]

    def _open_reserve(self, token: Token, _: OptionValue, __: list[Token]) -> None:
        self._context = ReserveDraft(token.place)

    def _open_pass(self, token: Token, _: OptionValue, words: list[Token]) -> None:
        self._passes.append(PassDraft(token.place, words[0].text, self._context_count))
        self._context = self._passes[-1]

    def _open_vdev(self, _: Token, __: OptionValue, words: list[Token]) -> None:
        word = words[1]
        written, comma, options = word.text.partition(",")
        if comma:
            message = f"vdev takes a type alone, and {shown(word.text)} has more behind a comma"
            remedy = f"write vdev {written}, then {' '.join(options.replace('=', ' ').split(','))}"
            self._collector.error(word.place, message, word=word.text, remedy=remedy)
        name, safety = normalised(written)
        kind = VDEV_TYPES.get(name)
        if kind is None and name not in self._own_types:
            self._check_user_type(name, word)
        self._vdevs.append(VdevDraft(word.place, name, kind, safety=safety))
        self._context = self._vdevs[-1]

    def _check_user_type(self, name: str, word: Token) -> None:
        if not name:
            message = f"unknown vdev type {shown(word.text)}"
            remedy = "write the type behind vdev"
            self._collector.error(word.place, message, word=word.text, remedy=remedy)
            return
        self._own_types.add(name)
        close = nearest(name, VDEV_TYPES)
        message = f"vdev {name} is not one that QNX ships; it is taken as your own vdev-{name}.so"
        remedy = f"did you mean {close}?" if close else ""
        self._collector.note(word.place, message, word=word.text, remedy=remedy)

    def _pass_option(self, token: Token, word: Token, context: PassDraft) -> None:
        if token.text == "loc":
            window = self._locations.window(word)
            if window is not None:
                context.windows.append(window)
                if window.removed or "+" in window.text:
                    self._release_marks.setdefault("8.0", word)
            return
        interrupt = self._locations.interrupt(word)
        if interrupt is not None:
            context.interrupts.append(interrupt)
            if "t" in interrupt.flags:
                self._release_marks.setdefault("7.x", word)

    def _vdev_option(self, token: Token, words: list[Token], context: VdevDraft) -> bool:
        """Take an option that has a field of its own; false if it has none."""
        name, kind = token.text, context.kind
        if name == "loc":
            space = kind.space if kind else "mem"
            may_be_pci = kind is not None and kind.pci
            context.loc = self._locations.location(words[0], space, may_be_pci=may_be_pci)
        elif name in ("intr", "intrmap"):
            context.intr = self._locations.pins(words[0])
        elif name == "name":
            context.name = words[0].text
        elif name == "hostdev":
            context.hostdev.append(self._arguments.endpoint(words[0]))
        else:
            return False
        return True

    # The release.

    def _mark_release(self, token: Token) -> None:
        if token.text == "cluster":
            self._release_marks.setdefault("8.0", token)
        elif token.text == "runmask":
            self._release_marks.setdefault("7.x", token)

    def _release(self, given: Release | None) -> Release | None:
        """Return the release that was given, or the only one that the text gives away."""
        marks = self._release_marks
        if given is None and len(marks) == 1:
            return next(iter(marks))
        for mark, token in marks.items():
            if mark != (given or "8.0"):
                message = f"{shown(token.text)} belongs to release {mark} only"
                self._collector.note(token.place, message, word=token.text)
        return given
