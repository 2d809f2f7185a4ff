"""The door: have a trace judged.

A simulated run, a shrunk counterexample and a trace recorded on real hardware go through here
alike.
"""

from collections.abc import Iterable

from ..model.clock import format_ns
from ..model.trace import Trace
from .monitor import Judge
from .registry import named
from .verdict import Judgement, Verdict

__all__ = ["check", "judge"]


def check(trace: Trace, names: Iterable[str] | None = None) -> tuple[Verdict, ...]:
    """Return the verdicts on a trace.

    Args:
        trace: Its records in order of time.
        names: Of the properties to judge by; None for all that its detail can put to the test.

    Raises:
        UnknownPropertyError: If there is no property of such a name.
    """
    monitors = Judge(trace.header, named(names, trace.header.detail))
    monitors.read(trace.records)
    return monitors.finish()


def judge(
    trace: Trace,
    names: Iterable[str] | None = None,
    *,
    label: str = "run",
    bounds: Iterable[str] = (),
) -> Judgement:
    """Return the judgement of one trace.

    Args:
        trace: Its records in order of time.
        names: Of the properties to judge by; None for all that its detail can put to the test.
        label: `run`, or `monitored(recorded trace)`.
        bounds: What limits the verdicts besides the length of the trace.

    Raises:
        UnknownPropertyError: If there is no property of such a name.
    """
    end_ns = trace.records[-1].at_ns if trace.records else 0
    return Judgement(
        scenario=trace.header.scenario,
        label=label,
        bounds=(
            f"one trace of {len(trace.records)} records, observed for {format_ns(end_ns)}",
            *bounds,
        ),
        assumptions=trace.header.assumptions,
        verdicts=check(trace, names),
    )
