"""What a scenario file may say, as frozen types from which its JSON Schema is made.

A scenario adds to `qvm` configurations what they cannot know: the hardware behind them, how
long things take, what the guest is doing, how its VM ends, and what the vdevs do about it.
Vdevs, memory, passed-through registers and interrupts come from the configurations and are
not repeated.

Fields keep the words of the file, durations included; `schema_check` has checked that they can be
read.  A VM may be described at the top level (one VM, the common case) or in `[[vm]]`.
"""

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from ...model.plan import open_questions, termination, timing
from ...model.plan.virtio_plan import DEVICE_RESETS
from ...model.trace import events
from ...properties.core.verdict import Word
from ...properties.registry import PROPERTIES
from .schema_hardware import FaultsEntry, Platform
from .schema_types import Closed, DurationText, InstantText, SpanText
from .schema_vdevs import VdevEntry

SCHEMA_ID = "quiesce-scenario"

EVENT_NAMES = tuple(kind.__name__ for kind in get_args(events.AnyEvent))
"""The events after which a VM can be made to end."""

# Who ends, how and when.


class After(Closed, frozen=True):
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
    count: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Which of these events, counted from 1.")
    ] = 1
    milestone: Annotated[
        str,
        Meta(
            description="The milestone, if the event is `MilestoneReached`; any if left out.",
            extra={"one_of": events.MILESTONES, "noun": "milestone"},
            extra_json_schema={"enum": list(events.MILESTONES)},
        ),
    ] = ""
    delay: Annotated[SpanText, Meta(description="Time from that event to the end.")] = "0ns"


class End(Closed, frozen=True):
    """How and when a VM ends: either `at` an instant or `after` an event."""

    cause: Annotated[
        str,
        Meta(
            description="The cause of the end.",
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
    after: Annotated[After | None, Meta(description="The event after which the VM ends.")] = None


# What guests and vdevs do.


class Workload(Closed, frozen=True):
    """The traffic of one device: frames that arrive at a NIC, or requests to a vdev."""

    frames: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(
            description="NIC, virtio-net, virtio-console: how many frames or pieces of input "
            "arrive unasked; 0, or leaving it out, means without end."
        ),
    ] = None
    gap: Annotated[
        SpanText | None,
        Meta(description="NIC, virtio-net, virtio-console: time between two frames or inputs."),
    ] = None
    length: Annotated[
        Annotated[int, Meta(ge=1, le=16 << 20)] | None,
        Meta(description="Bytes of a frame or of a request; a request is a multiple of 512."),
    ] = None
    requests: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(
            description="virtio-blk, virtio-entropy: how many requests the guest makes; "
            "virtio-net, virtio-console: how many frames or lines it sends."
        ),
    ] = None
    depth: Annotated[
        Annotated[int, Meta(ge=1, le=32_768)] | None,
        Meta(
            description="virtio-blk: how many of them are in flight at a time; virtio-net, "
            "virtio-console: receive buffers that the guest keeps with the vdev."
        ),
    ] = None
    operation: Annotated[
        Literal["read", "write"] | None,
        Meta(description="virtio-blk: reads make the disk write guest memory."),
    ] = None
    think: Annotated[
        SpanText | None,
        Meta(description="virtio-blk: time between a completion and the next request."),
    ] = None
    queue_size: Annotated[
        Annotated[int, Meta(ge=1, le=32_768)] | None,
        Meta(description="Virtio vdevs: size of each virtqueue; split: a power of two."),
    ] = None
    mount: Annotated[
        bool | None,
        Meta(description="virtio-blk: the guest mounts a file system before its requests."),
    ] = None
    flush_every: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(description="virtio-blk: after how many writes the guest flushes; 0 for never."),
    ] = None
    device_reset: Annotated[
        str | None,
        Meta(
            description="Virtio vdevs: how the guest's driver takes the device down when the guest "
            "shuts down.",
            extra={"one_of": tuple(DEVICE_RESETS), "noun": "device reset"},
            extra_json_schema={
                "oneOf": [
                    {"const": name, "description": meaning}
                    for name, meaning in DEVICE_RESETS.items()
                ]
            },
        ),
    ] = None
    bus_reset: Annotated[
        SpanText | None,
        Meta(
            description="virtio-blk: when, after its start, the guest's driver takes the disk for "
            "hung and resets it; left out: never."
        ),
    ] = None
    gives_back_first: Annotated[
        bool | None,
        Meta(
            description="virtio-blk: that driver gives the requests back to its guest before it "
            "resets the device, and not after."
        ),
    ] = None
    region: Annotated[
        str | None, Meta(description="shmem: name of the region that the guest attaches to.")
    ] = None


class Step(Closed, frozen=True):
    """One step of a quiesce procedure that waits for something."""

    name: Annotated[str, Meta(description="The name of the step.")]
    bound: Annotated[
        DurationText | None, Meta(description="The time after which a wait gives up.")
    ] = None


class Quiesce(Closed, frozen=True):
    """What a vdev does about one device when it is called with VDEV_CTRL_TERMINATE."""

    vdev: Annotated[
        str, Meta(description="The vdev of the configuration that carries out the procedure.")
    ]
    device: Annotated[
        str, Meta(description="The device that the vdev quiesces; the vdev itself if left out.")
    ] = ""
    steps: Annotated[
        tuple[str | Step, ...] | None,
        Meta(
            description='In order; `{ name = "await-idle", bound = "80ms" }` for a wait. '
            "An empty list is no step at all; left out, the documented procedure of the device."
        ),
    ] = None
    on_timeout: Annotated[
        Literal["quarantine", "release"],
        Meta(description="What qvm does with the memory if a step gave up waiting."),
    ] = "quarantine"


class VmEntry(Closed, frozen=True):
    """One VM: its configuration, its life and its end."""

    configuration: Annotated[
        str | tuple[str, ...],
        Meta(description="The `qvm` configuration, relative to the scenario; several add up."),
    ] = ()
    end: Annotated[
        End | None, Meta(description="How the VM ends; without it the VM outlives the run.")
    ] = None
    then: Annotated[
        tuple[End, ...],
        Meta(description="Further ends, such as a kill while qvm calls the vdevs."),
    ] = ()
    restart: Annotated[
        bool, Meta(description="A supervisor starts it again on the same frames and vectors.")
    ] = False
    workload: Annotated[
        dict[str, Workload],
        Meta(description="The traffic of each device, by name of the NIC or vdev."),
    ] = {}
    vdev: Annotated[
        dict[str, VdevEntry], Meta(description="What each virtio vdev offers, by its name.")
    ] = {}
    shutdown_handler: Annotated[
        dict[str, bool],
        Meta(
            description="By name of the device or vdev: whether the guest's driver stops it when "
            "the guest shuts down in order, by the documented procedure, or leaves it on; of those "
            "that are left out it is asked: the open question `guest.shutdown-handler`."
        ),
    ] = {}
    bus_scan_limit: Annotated[
        int,
        Meta(ge=0, le=255, description="Highest PCI bus that the guest's PCI server tries."),
    ] = 0
    quiesce: Annotated[
        tuple[Quiesce, ...], Meta(description="What its vdevs do when qvm terminates it.")
    ] = ()


class Vm(VmEntry, frozen=True):
    """One of several VMs."""

    name: Annotated[str, Meta(description="Its name; that of the configuration if left out.")] = ""


class SmmumanEntry(Closed, frozen=True):
    """When smmuman, the host process that programs the IOMMU, ends and starts again."""

    crash: Annotated[
        After | None,
        Meta(description="smmuman ends then and starts again; the IOMMU loses all its maps."),
    ] = None


# Bounds and expectations.


class Bounds(Closed, frozen=True):
    """The bounds that properties check."""

    teardown: Annotated[
        DurationText,
        Meta(description="The longest time from the begin of the termination to qvm's exit."),
    ] = "10s"
    irq_after_teardown: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="How often a dead VM's interrupt may still reach the host.",
        ),
    ] = 1
    quiet: Annotated[
        DurationText,
        Meta(
            description="How long the run waits, after the outside has stopped, for all that is "
            "under way to end; what has not ended by then leaves verdicts inconclusive."
        ),
    ] = "60s"


_TIMING_KEYS = msgspec.structs.fields(timing.Timing)
_ANSWERS = {question.label: question.answers for question in open_questions.QUESTIONS}


MUTANT_NAMES = tuple(f"M{number}" for number in range(1, 19))


class MutantEntry(Closed, frozen=True):
    """A mutant that is built into the scenario, see `quiesce mutants`."""

    name: Annotated[
        str,
        Meta(
            description="M1 to M18.",
            extra={"one_of": MUTANT_NAMES, "noun": "mutant"},
            extra_json_schema={"enum": list(MUTANT_NAMES)},
        ),
    ]


class Scenario(VmEntry, frozen=True):
    """A guest's life and death on given hardware, and what is expected of it."""

    description: Annotated[
        str,
        Meta(
            description="One sentence.",
            extra={"may_be_empty": True},
            extra_json_schema={"minLength": 0},
        ),
    ] = ""
    vm: Annotated[
        tuple[Vm, ...] | None,
        Meta(description="Several VMs; each has its own configuration, end and workload."),
    ] = None
    platform: Annotated[Platform, Meta(description="The hardware.")] = Platform()
    replay: Annotated[
        str,
        Meta(
            description="A replay file, relative to the scenario, whose answers the run takes in "
            "place of nominal timing; as far as they fit, if the system is another one."
        ),
    ] = ""
    detail: Annotated[
        Literal["teardown", "virtio"],
        Meta(description="Which events the trace has: `virtio` records every step of every ring."),
    ] = "teardown"
    timing: Annotated[
        dict[str, SpanText],
        Meta(
            description="Spans of delays that you know better than the defaults.",
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
    mutant: Annotated[
        MutantEntry | None, Meta(description="A mutant to build into the scenario.")
    ] = None
    smmuman: Annotated[SmmumanEntry, Meta(description="The manager of the IOMMU.")] = SmmumanEntry()
    faults: Annotated[FaultsEntry, Meta(description="Mistakes of the host's software.")] = (
        FaultsEntry()
    )
    bounds: Annotated[Bounds, Meta(description="Bounds of the properties.")] = Bounds()
    observe: Annotated[
        SpanText | None,
        Meta(
            description="How long the outside (frames from the wire, requests of living guests) "
            "goes on after the last planned end or restart; then all that is under way runs to "
            "its end.  Left out: long enough for every outside source to act twice, next owners "
            "included, and at least 1 ms."
        ),
    ] = None
    expect: Annotated[
        dict[str, Word],
        Meta(
            description="The verdict that each property must get.",
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
    schema["$defs"] = {
        name: _with_words(_without_null(part)) for name, part in schema["$defs"].items()
    }
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "quiesce scenario",
    }
    return head | schema


def _with_words(node: Any) -> Any:
    """Return a schema in which a text without a letter is no text, as the loader has it."""
    if isinstance(node, list):
        return [_with_words(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _with_words(value) for key, value in node.items()}
    if node.get("type") == "string" and not {"enum", "pattern"} & set(node):
        node.setdefault("minLength", 1)
    return node


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
