"""Runs a scenario: plan and choices in, trace and judgement out."""

import msgspec

from ..model.choices import Choices, Earliest, Latest, Nominal, Replay, Seeded
from ..model.plan import SystemPlan
from ..model.system import run
from ..model.trace import Assumption, Trace
from ..properties.check import judge
from ..properties.verdict import Judgement
from .replay import Recording
from .resolve import Resolved

__all__ = ["RunResult", "choices_for", "run_recording", "run_scenario"]

TIMINGS: dict[str, type[Nominal | Earliest | Latest]] = {
    "nominal": Nominal,
    "earliest": Earliest,
    "latest": Latest,
}
"""Ways to fix every delay at once."""


class RunResult(msgspec.Struct, frozen=True):
    """One run and what it showed.

    Attributes:
        recording: The plan and the choices: all that it takes to do it again.
        trace: What happened; its header names the recording.
        judgement: What the properties say.
    """

    recording: Recording
    trace: Trace
    judgement: Judgement

    @property
    def plan(self) -> SystemPlan:
        """What was run."""
        return self.recording.plan


def choices_for(timing: str = "nominal", seed: int | None = None) -> tuple[Choices, str]:
    """Return the choices that a user asks for, and a sentence that says how they decide."""
    if seed is not None:
        return Seeded(seed), f"one draw of every delay and open question, seed {seed}"
    return TIMINGS[timing](), f"one choice for every delay ({timing}) and open question (default)"


def run_scenario(resolved: Resolved, choices: Choices, bound: str) -> RunResult:
    """Return the run of a scenario under these choices.

    Args:
        resolved: The scenario.
        choices: Decides what it leaves open.
        bound: Says in the judgement how they decide.

    Raises:
        BoundHit: If the run does not end.
    """
    return _run(resolved.plan, resolved.assumptions, choices, bound)


def run_recording(recording: Recording) -> RunResult:
    """Return the run of a replay file; its trace is the recorded one, byte for byte.

    Raises:
        ReplayMismatch: If this release of the model asks other questions.
        BoundHit: If the run does not end.
    """
    return _run(
        recording.plan, recording.assumptions, Replay(recording.choices), "the choices of a replay"
    )


def _run(
    plan: SystemPlan, assumptions: tuple[Assumption, ...], choices: Choices, bound: str
) -> RunResult:
    trace = run(plan, choices)
    recording = Recording(plan, assumptions, tuple(choices.log))
    header = msgspec.structs.replace(
        trace.header,
        assumptions=assumptions + trace.header.assumptions,
        replay_sha256=recording.identity(),
    )
    trace = Trace(header, trace.records)
    return RunResult(recording, trace, judge(trace, bounds=(bound,)))
