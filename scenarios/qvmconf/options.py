"""The options that `qvm` knows outside a vdev's own, as tables.

A table row says where an option may stand, what its arguments are, whether the model heeds
it, and which page describes it.  An option whose page could not be read is known by name
only: it takes every word up to the next option.

Source:
    Each row names its page; the tags are `U` for the hypervisor user's guide and `S` for
    its safety edition, followed by the release; `field` marks what only configurations in
    use contain.
"""

from typing import Literal

import msgspec

ArgumentKind = Literal[
    "text",
    "number",
    "numbers",
    "boolean",
    "tristate",
    "address",
    "action",
    "clone",
    "delay",
    "filters",
    "location",
    "mac",
    "mask",
    "pattern",
    "pins",
    "region",
    "schedule",
    "span",
    "word",
]
"""What an argument has to look like; `word` is one of the row's `words`."""


class OptionSpec(msgspec.Struct, frozen=True):
    """A row of the tables.

    Attributes:
        name: The option word.
        arguments: The kinds of its arguments, in order; none for a flag.
        source: The page that describes it.
        modelled: The model heeds it.
        words: What an argument of kind `word` may be.
        lowest: The smallest number allowed.
        highest: The largest number allowed.
        repeatable: It may be given more than once without a note.
        mandatory: Its vdev cannot do without it.
        advice: A note for the user of the option; empty if there is none.
    """

    name: str
    arguments: tuple[ArgumentKind, ...] = ("text",)
    source: str = ""
    modelled: bool = False
    words: tuple[str, ...] = ()
    lowest: int = 0
    highest: int = (1 << 64) - 1
    repeatable: bool = False
    mandatory: bool = False
    advice: str = ""


class VariableSpec(msgspec.Struct, frozen=True):
    """A variable that `set` knows.

    Attributes:
        name: The variable; a trailing `*` stands for any ending.
        kind: What its value has to look like.
        scope: The context it belongs to.
        source: The page that describes it.
        modelled: The model heeds it.
        lowest: The smallest number allowed; 0 is always allowed if `zero_allowed`.
        highest: The largest number allowed.
        zero_allowed: 0 is allowed although it is below `lowest`.
    """

    name: str
    kind: Literal["text", "number", "boolean", "tristate", "address"]
    scope: Literal["vm", "vdev", "cpu"]
    source: str
    modelled: bool = False
    lowest: int = 0
    highest: int = (1 << 64) - 1
    zero_allowed: bool = False


def table(*rows: OptionSpec) -> dict[str, OptionSpec]:
    """Return rows by their names, which must differ."""
    by_name = {row.name: row for row in rows}
    assert len(by_name) == len(rows), "two rows of one name"
    return by_name


LOG_FILTERS = ("fatal", "internal", "error", "warn", "warning", "info", "debug", "verbose")
LOG_DESTINATIONS = ("stdout", "stderr", "slog", "none")
BLOBS = ("acpi", "data", "fdt", "guest", "initrd")
ATTRIBUTES = "rwxcemdnst"
"""The attribute letters of a `pass` window (U80 vm/pass); the last four are about DMA."""

CONTEXTS = ("vdev", "pass", "cpu", "reserve")
"""The options that open a context."""

TOP_LEVEL = table(
    OptionSpec("system", source="U80 vm/dump", modelled=True),
    OptionSpec("ram", ("span",), source="U80 vm/ram", modelled=True, repeatable=True),
    OptionSpec("rom", ("span",), source="U80 vm/ram", modelled=True, repeatable=True),
    OptionSpec("reserve", (), source="U80 vm/ram", modelled=True, repeatable=True),
    OptionSpec("cpu", (), source="U80 vm/cpu", modelled=True, repeatable=True),
    OptionSpec("load", source="U80 vm/load", repeatable=True),
    OptionSpec("cmdline", source="U70 config/components"),
    OptionSpec("pass", (), source="U80 vm/pass", modelled=True, repeatable=True),
    OptionSpec("vdev", source="U71 vdev_ref/vdev_ref", modelled=True, repeatable=True),
    OptionSpec("set", ("text", "text"), source="U80 vm/set", modelled=True, repeatable=True),
    OptionSpec("dump", source="U80 vm/dump", modelled=True),
    OptionSpec(
        "logger",
        ("filters", "word"),
        source="U71 vm/logger",
        words=LOG_DESTINATIONS,
        repeatable=True,
    ),
    OptionSpec("unsupported", ("text", "text"), source="U80 vm/unsupported", repeatable=True),
    OptionSpec("tolerance", ("number",), source="U70 vm/tolerance"),
    OptionSpec(
        "safety",
        ("word",),
        source="U71 vm/safety",
        modelled=True,
        words=("none", "warn", "required"),
    ),
    OptionSpec("dryrun", (), source="S71 vm/variables", modelled=True),
)
"""Options that stand for themselves or open a context."""

KNOWN_BY_NAME = ("user", "generate", "guest")
"""Options of the reference index whose pages could not be read."""

UNSUPPORTED_KINDS = ("instruction", "reference", "register")
UNSUPPORTED_ACTIONS = ("abort", "fail", "ignore")
"""What `unsupported` takes (U80 vm/unsupported)."""

CPU_OPTIONS = table(
    OptionSpec("partition", source="U70 vm/cpu"),
    OptionSpec("runmask", ("numbers",), source="U70 vm/cpu"),
    OptionSpec("sched", ("schedule",), source="S71 vm/cpu"),
    OptionSpec("cluster", source="U80 vm/cpu"),
)

PASS_OPTIONS = table(
    OptionSpec("loc", ("location",), source="U80 vm/pass", modelled=True, repeatable=True),
    OptionSpec("intr", ("pins",), source="U80 vm/pass", modelled=True, repeatable=True),
)

RESERVE_OPTIONS = table(
    OptionSpec("loc", ("span",), source="U80 vm/ram", modelled=True, repeatable=True),
)

VDEV_OPTIONS = table(
    OptionSpec("loc", ("location",), source="U71 vdev_ref/options", modelled=True),
    OptionSpec("intr", ("pins",), source="U71 vdev_ref/options", modelled=True),
    OptionSpec("name", source="U71 vdev_ref/options", modelled=True),
    OptionSpec("hostvector", ("number",), source="U71 vdev_ref/options", modelled=True),
    OptionSpec(
        "log",
        ("filters", "word"),
        source="U71 vdev_ref/options",
        words=LOG_DESTINATIONS,
        repeatable=True,
    ),
)
"""Options that every vdev has."""

VARIABLES = (
    VariableSpec("exit-on-halt", "boolean", "vm", "S71 vm/variables"),
    VariableSpec("fdt-dump-file", "text", "vm", "S71 vm/variables"),
    VariableSpec("grow-heap", "text", "vm", "S71 vm/variables"),
    VariableSpec(
        "message-block-timeout",
        "number",
        "vm",
        "U70 vm/set",
        modelled=True,
        lowest=5,
        highest=10_000,
        zero_allowed=True,
    ),
    VariableSpec(
        "vdev-message-block-timeout",
        "number",
        "vdev",
        "S71 vm/variables",
        modelled=True,
        lowest=5,
        highest=10_000,
        zero_allowed=True,
    ),
    VariableSpec("slog-buffer", "number", "vm", "S71 vm/variables"),
    VariableSpec("gic-hwassist", "tristate", "vm", "S71 vm/variables"),
    VariableSpec("host-paddr-*", "address", "vm", "S71 vm/variables"),
    VariableSpec("legacy-free", "tristate", "vm", "U80 vm/set"),
    VariableSpec("posted-interrupts", "tristate", "vm", "U80 vm/set"),
    VariableSpec("virtual-interrupts", "tristate", "vm", "U80 vm/set"),
    VariableSpec("linux-fdt-free", "text", "vm", "field"),
)
"""Variables; the guide's x86 part could not be read, so this list is not complete."""


def variable(name: str) -> VariableSpec | None:
    """Return the row of a variable, if it is known."""
    for row in VARIABLES:
        if name == row.name or (row.name.endswith("*") and name.startswith(row.name[:-1])):
            return row
    return None
