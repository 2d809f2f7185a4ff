"""What a scenario file may say, as frozen types from which its JSON Schema is made.

A scenario adds to `qvm` configurations what they cannot know: the hardware behind them, how
long things take, what the guest is doing, how its VM ends, and what the vdevs do about it.
Vdevs, memory, passed-through registers and interrupts come from the configurations and are
not repeated.

Fields keep the words of the file, durations included; `shape` has checked that they can be
read.  A VM may be described at the top level (one VM, the common case) or in `[[vm]]`.
"""

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from ..model import open_questions, termination, timing, trace
from ..properties.registry import PROPERTIES
from ..properties.verdict import Word

SCHEMA_ID = "quiesce-scenario"

IommuKind = Literal["none", "smmuv3", "vt-d"]
InterruptController = Literal["gicv2", "gicv3", "apic"]

EVENT_NAMES = tuple(kind.__name__ for kind in get_args(trace.AnyEvent))
"""The events after which a VM can be made to end."""

_ONE = r"[0-9]+(\.[0-9]+)?\s*(ns|us|µs|μs|ms|s)"

DurationText = Annotated[
    str, Meta(extra={"reads": "duration"}, extra_json_schema={"pattern": f"^{_ONE}$"})
]
"""A duration such as `"80ms"`."""

SpanText = Annotated[
    str,
    Meta(extra={"reads": "span"}, extra_json_schema={"pattern": rf"^{_ONE}(\.\.{_ONE})?$"}),
]
"""A duration or a span such as `"100ns..1us"`."""

InstantText = Annotated[
    str,
    Meta(
        extra={"reads": "instant"},
        extra_json_schema={"pattern": rf"^(any|{_ONE}(\.\.{_ONE})?)$"},
    ),
]
"""A duration, a span, or `"any"`."""


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table whose keys are all known."""


# Who ends, how and when.


class After(_Closed, frozen=True):
    """The instant of an event in the run."""

    event: Annotated[
        str,
        Meta(
            description="Type of the event, `DmaIssued` for example.",
            extra={"one_of": EVENT_NAMES, "noun": "event"},
            extra_json_schema={"enum": list(EVENT_NAMES)},
        ),
    ]
    source: Annotated[str, Meta(description="Component that emits it; any if left out.")] = ""
    count: Annotated[int, Meta(ge=1, le=1_000_000, description="Which one, from 1.")] = 1
    delay: Annotated[SpanText, Meta(description="How long after that event.")] = "0ns"


class End(_Closed, frozen=True):
    """How and when a VM ends: either `at` an instant or `after` an event."""

    cause: Annotated[
        str,
        Meta(
            description="What brings the end about.",
            extra={"one_of": tuple(termination.BY_NAME), "noun": "termination cause"},
            extra_json_schema={
                "oneOf": [
                    {"const": cause.name, "description": cause.meaning}
                    for cause in termination.CAUSES
                ]
            },
        ),
    ]
    at: Annotated[
        InstantText | None,
        Meta(description='From the start of the run; "any" means any instant `within` a time.'),
    ] = None
    within: Annotated[
        DurationText | None, Meta(description='The window of `at = "any"`, from the start.')
    ] = None
    after: Annotated[After | None, Meta(description="An event of the run.")] = None


# What guests and vdevs do.


class Workload(_Closed, frozen=True):
    """What goes on at one device: frames that arrive at a NIC, or requests to a vdev."""

    frames: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(
            description="NIC: how many frames arrive, asked for by nobody; 0 is without end, as is "
            "leaving it out."
        ),
    ] = None
    gap: Annotated[SpanText | None, Meta(description="NIC: between two frames.")] = None
    length: Annotated[
        Annotated[int, Meta(ge=1, le=16 << 20)] | None,
        Meta(description="Bytes of a frame or of a request; a request is a multiple of 512."),
    ] = None
    requests: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(description="virtio-blk: how many requests the guest makes."),
    ] = None
    depth: Annotated[
        Annotated[int, Meta(ge=1, le=32_768)] | None,
        Meta(description="virtio-blk: how many of them are in flight at a time."),
    ] = None
    operation: Annotated[
        Literal["read", "write"] | None,
        Meta(description="virtio-blk: reads make the disk write guest memory."),
    ] = None
    think: Annotated[
        SpanText | None,
        Meta(description="virtio-blk: between a completion and the next request."),
    ] = None
    queue_size: Annotated[
        Annotated[int, Meta(ge=1, le=32_768)] | None,
        Meta(description="virtio-blk: size of the virtqueue, a power of two."),
    ] = None


class Step(_Closed, frozen=True):
    """One step of a quiesce procedure that waits for something."""

    name: Annotated[str, Meta(description="What is done.")]
    bound: Annotated[DurationText | None, Meta(description="After how long a wait gives up.")] = (
        None
    )


class Quiesce(_Closed, frozen=True):
    """What a vdev does about one device when it is called with VDEV_CTRL_TERMINATE."""

    vdev: Annotated[str, Meta(description="The vdev of the configuration that does it.")]
    device: Annotated[
        str, Meta(description="The device that is made quiet; the vdev itself if left out.")
    ] = ""
    steps: Annotated[
        tuple[str | Step, ...],
        Meta(
            description='In order; `{ name = "await-idle", bound = "80ms" }` for a wait. '
            "Without steps, the documented procedure of the device."
        ),
    ] = ()
    on_timeout: Annotated[
        Literal["quarantine", "release"],
        Meta(description="What becomes of the memory if a step gave up waiting."),
    ] = "quarantine"


class VmEntry(_Closed, frozen=True):
    """One VM: its configuration, its life and its end."""

    configuration: Annotated[
        str | tuple[str, ...],
        Meta(description="The `qvm` configuration, relative to the scenario; several add up."),
    ] = ()
    end: Annotated[
        End | None, Meta(description="How it ends; without it the VM outlives the run.")
    ] = None
    then: Annotated[
        tuple[End, ...],
        Meta(description="What else befalls it, such as a kill while its vdevs are being called."),
    ] = ()
    restart: Annotated[
        bool, Meta(description="A supervisor starts it again on the same frames and vectors.")
    ] = False
    workload: Annotated[dict[str, Workload], Meta(description="By name of the NIC or vdev.")] = {}
    quiesce: Annotated[
        tuple[Quiesce, ...], Meta(description="What its vdevs do when it is terminated.")
    ] = ()


class Vm(VmEntry, frozen=True):
    """One of several VMs."""

    name: Annotated[str, Meta(description="Its name; that of the configuration if left out.")] = ""


# What the machine is made of.

Fate = Literal["drain-and-post", "drain-and-drop", "cancel", "nothing"]


class ResetEntry(_Closed, frozen=True):
    """What a reset does to each effect of the operations that are under way."""

    data: Annotated[Fate, Meta(description="Of their data.")] = "cancel"
    completion: Annotated[Fate, Meta(description="Of their status or ring entry.")] = "cancel"
    interrupt: Annotated[Fate, Meta(description="Of their interrupt.")] = "cancel"


class TraitsEntry(_Closed, frozen=True):
    """The ways in which a device differs from others of its kind."""

    reset: Annotated[ResetEntry, Meta(description="Its reset policy.")] = ResetEntry()
    ignores_reset: Annotated[
        bool, Meta(description="A reset reads as done, but nothing happens.")
    ] = False
    bus_master_gate_effective: Annotated[
        bool, Meta(description="Whether clearing the bus-master bit really stops its writes.")
    ] = True
    reset_clears_gate: Annotated[
        bool, Meta(description="After a reset it writes although the bit reads as cleared.")
    ] = False
    translates_at_start: Annotated[
        bool, Meta(description="Addresses are translated when an operation starts, not at the end.")
    ] = False
    says_stopped_early: Annotated[
        bool, Meta(description="It reads as idle while writes are on their way.")
    ] = False
    keeps_interrupt: Annotated[bool, Meta(description="A pending interrupt survives a reset.")] = (
        False
    )
    keeps_input: Annotated[
        bool, Meta(description="What it received before a reset is delivered after it.")
    ] = False
    falls_back_to_line: Annotated[
        bool, Meta(description="With messages disabled it uses its line.")
    ] = True


class NicEntry(_Closed, frozen=True, tag="nic", tag_field="kind", rename={"pass_": "pass"}):
    """A network controller that a `pass` entry of a configuration hands to a guest."""

    name: Annotated[str, Meta(description="Its name in this scenario, `eth0` for example.")]
    pass_: Annotated[
        str | int,
        Meta(
            description="Which `pass` entry: its host address, PCI function or identifiers, or "
            "the host vector; may be left out where only one is possible."
        ),
    ] = ""
    interrupt: Annotated[
        Annotated[int, Meta(ge=0, le=16_777_215)] | None,
        Meta(description="Host line or vector; needed where the configuration names none."),
    ] = None
    trigger: Annotated[
        Literal["level", "message"] | None,
        Meta(description="A wire or MSI; a PCI function has MSI if left out."),
    ] = None
    ring_size: Annotated[
        Annotated[int, Meta(ge=8, le=4_096, multiple_of=8)] | None,
        Meta(description="Receive descriptors, a multiple of 8."),
    ] = None
    prefetch: Annotated[
        Annotated[int, Meta(ge=1, le=4_096)] | None,
        Meta(description="Descriptors that it reads ahead and then owns."),
    ] = None
    buffer_length: Annotated[
        Annotated[int, Meta(ge=64, le=16_384)] | None,
        Meta(description="Bytes of a receive buffer."),
    ] = None
    traits: Annotated[
        TraitsEntry, Meta(description="What is particular to it, where its standard leaves room.")
    ] = TraitsEntry()


class AhciEntry(_Closed, frozen=True, tag="ahci", tag_field="kind"):
    """A disk controller that a host driver owns, behind virtio-blk vdevs."""

    name: Annotated[str, Meta(description="Its name in this scenario, `ahci0` for example.")]
    driver: Annotated[str, Meta(description="Name of the host driver process.")] = "devb-ahci"
    serves: Annotated[
        tuple[str, ...],
        Meta(description="The `hostdev` paths behind which it is; `*` matches anything."),
    ] = ("*",)
    interrupt: Annotated[
        Annotated[int, Meta(ge=0, le=16_777_215)] | None,
        Meta(description="Host line; one that nobody else uses if left out."),
    ] = None
    slots: Annotated[
        Annotated[int, Meta(ge=1, le=32)] | None,
        Meta(description="Commands that it works on at a time, 1 to 32."),
    ] = None
    service: Annotated[SpanText | None, Meta(description="Duration of a request.")] = None
    zero_copy: Annotated[
        bool | None,
        Meta(
            description="Whether the disk writes guest memory itself; if left out, the vdev's "
            "`dio` option says it, and without that it does."
        ),
    ] = None


class UnmodelledEntry(
    _Closed, frozen=True, tag="unmodelled", tag_field="kind", rename={"pass_": "pass"}
):
    """A passed-through device that the run leaves out; the verdicts say so."""

    name: Annotated[str, Meta(description="Its name in this scenario.")]
    pass_: Annotated[str | int, Meta(description="Which `pass` entry, as for a NIC.")]
    reason: Annotated[str, Meta(description="Why it may be left out.")]


DeviceEntry = NicEntry | AhciEntry | UnmodelledEntry


class Platform(_Closed, frozen=True):
    """The hardware of the host."""

    iommu: Annotated[
        IommuKind,
        Meta(description="Without one, guests are unity-mapped and nothing contains DMA."),
    ] = "none"
    interrupt_controller: Annotated[
        InterruptController | None,
        Meta(description="If given, configurations are checked against it."),
    ] = None
    device: Annotated[
        tuple[DeviceEntry, ...], Meta(description="The physical devices that take part.")
    ] = ()


# Bounds and expectations.


class Bounds(_Closed, frozen=True):
    """How much is too much."""

    teardown: Annotated[
        DurationText, Meta(description="From the begin of the termination to qvm's exit.")
    ] = "10s"
    irq_after_teardown: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="How often a dead VM's interrupt may still reach the host.",
        ),
    ] = 1


_TIMING_KEYS = msgspec.structs.fields(timing.Timing)
_ANSWERS = {question.label: question.answers for question in open_questions.QUESTIONS}


class Scenario(VmEntry, frozen=True):
    """A guest's life and death on given hardware, and what is expected of it."""

    description: Annotated[str, Meta(description="One sentence.")] = ""
    vm: Annotated[
        tuple[Vm, ...],
        Meta(description="Several VMs; each has its own configuration, end and workload."),
    ] = ()
    platform: Annotated[Platform, Meta(description="The hardware.")] = Platform()
    timing: Annotated[
        dict[str, SpanText],
        Meta(
            description="Spans that are known better than the defaults.",
            extra={"keys": tuple(field.name for field in _TIMING_KEYS), "noun": "timing key"},
            extra_json_schema={
                "propertyNames": {"enum": [field.name for field in _TIMING_KEYS]},
                "properties": {
                    field.name: {
                        "type": "string",
                        "default": str(field.default),
                        "description": timing.EVIDENCE[field.name].meaning,
                    }
                    for field in _TIMING_KEYS
                },
            },
        ),
    ] = {}
    choices: Annotated[
        dict[str, str],
        Meta(
            description="Answers to questions that the documentation leaves open.",
            extra={"keys": tuple(_ANSWERS), "noun": "open question", "answers": _ANSWERS},
            extra_json_schema={
                "propertyNames": {"enum": list(_ANSWERS)},
                "properties": {
                    question.label: {
                        "enum": list(question.answers),
                        "description": question.meaning,
                    }
                    for question in open_questions.QUESTIONS
                },
            },
        ),
    ] = {}
    bounds: Annotated[Bounds, Meta(description="Bounds of the properties.")] = Bounds()
    observe: Annotated[
        SpanText | None,
        Meta(description="How long the run goes on after its last planned end or restart."),
    ] = None
    expect: Annotated[
        dict[str, Word],
        Meta(
            description="Property and the verdict that it must get.",
            extra={"keys": tuple(PROPERTIES), "noun": "property"},
            extra_json_schema={
                "propertyNames": {"enum": list(PROPERTIES)},
                "properties": {name: {"enum": list(get_args(Word))} for name in PROPERTIES},
            },
        ),
    ] = {}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, for editors that complete and check."""
    schema = msgspec.json.schema(Scenario)
    schema["$defs"] = {name: _without_null(part) for name, part in schema["$defs"].items()}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "quiesce scenario",
    }
    return head | schema


def _without_null(node: Any) -> Any:
    """Return a schema without null, which TOML cannot write, and without empty defaults."""
    if isinstance(node, list):
        return [_without_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _without_null(value) for key, value in node.items()}
    if not isinstance(node.get("default", 0), str | int):
        del node["default"]
    alternatives = [item for item in node.get("anyOf", ()) if item != {"type": "null"}]
    if len(alternatives) == 1:
        del node["anyOf"]
        return alternatives[0] | node
    if alternatives:
        node["anyOf"] = alternatives
    return node
