"""Runs a scenario: plan and choices in, trace and judgement out."""

import msgspec

from ...model.base.choices import (
    Choices,
    Earliest,
    Ends,
    Guided,
    Latest,
    Nominal,
    Replay,
    Seeded,
    by_label,
)
from ...model.base.errors import Place
from ...model.machine.system import run
from ...model.plan.system_plan import SystemPlan
from ...model.trace.events import Trace
from ...properties.check import judge
from ...properties.core.verdict import Judgement
from ..resolve.replay import Recording, same_system
from ..resolve.resolve import ResolvedScenario

__all__ = [
    "ENDS",
    "TIMINGS",
    "RunResult",
    "choices_for",
    "run_recording",
    "run_scenario",
    "usual_choices",
]

TIMINGS: dict[str, type[Nominal | Earliest | Latest]] = {
    "nominal": Nominal,
    "earliest": Earliest,
    "latest": Latest,
}
"""Ways to fix every delay at once."""

ENDS = "ends"
"""The timing in which every delay has the least or the greatest length of its span."""


class RunResult(msgspec.Struct, frozen=True):
    """One run and what it showed.

    Attributes:
        recording: The plan and the choices: all that it takes to do it again.
        trace: What happened; its header names the recording.
        judgement: What the properties say.
        origins: Where the user's files speak of each component; empty for a replay.
    """

    recording: Recording
    trace: Trace
    judgement: Judgement
    origins: dict[str, Place] = {}

    @property
    def plan(self) -> SystemPlan:
        """What was run."""
        return self.recording.plan


def choices_for(timing: str = "nominal", seed: int | None = None) -> tuple[Choices, str]:
    """Return the choices that a user asks for, and a sentence that says how they decide.

    Args:
        timing: One of `TIMINGS`, or `ends` for an end of each span as the seed has it.
        seed: Draws delays and open questions, or only which end where the timing is `ends`.
    """
    if timing == ENDS:
        chosen = f"one end of every span, drawn with seed {seed or 0}; open questions (default)"
        return Ends(seed or 0), chosen
    if seed is not None:
        return Seeded(seed), f"one draw of every delay and open question, seed {seed}"
    return TIMINGS[timing](), f"one choice for every delay ({timing}) and open question (default)"


def usual_choices(scenario: ResolvedScenario) -> tuple[Choices, str]:
    """Return the default choices of a scenario, and a sentence about them.

    They are those of its replay file, if it names one: exactly, as long as the system is the
    recorded one, and otherwise label by label, as far as they fit.
    """
    recorded = scenario.recorded
    if recorded is None:
        return choices_for()
    if same_system(recorded.plan, scenario.plan):
        return Replay(recorded.choices), f"as recorded: {recorded.chosen}"
    chosen = f"answers of a recorded run of another system, as far as they fit: {recorded.chosen}"
    return Guided(by_label(recorded.choices)), chosen


def run_scenario(scenario: ResolvedScenario, choices: Choices, chosen: str) -> RunResult:
    """Return the run of a scenario under these choices.

    Args:
        scenario: The plan and what was assumed for it.
        choices: Decides what it leaves open.
        chosen: Says in the judgement how they decide; see `choices_for`.

    Raises:
        BoundHit: If the run does not end.
    """
    trace = run(scenario.plan, choices)
    log = tuple(choices.log)
    recording = Recording(scenario.plan, scenario.assumptions, chosen, log)
    return msgspec.structs.replace(_judged(trace, recording), origins=scenario.origins)


def run_recording(recording: Recording) -> RunResult:
    """Return the run of a replay file: trace and judgement are the recorded ones.

    Raises:
        ReplayMismatch: If this release of the model asks other questions.
        BoundHit: If the run does not end.
    """
    return _judged(run(recording.plan, Replay(recording.choices)), recording)


def _judged(trace: Trace, recording: Recording) -> RunResult:
    header = msgspec.structs.replace(
        trace.header,
        assumptions=recording.assumptions + trace.header.assumptions,
        replay_sha256=recording.identity(),
    )
    trace = Trace(header, trace.records)
    return RunResult(recording, trace, judge(trace, bounds=(recording.chosen,)))
