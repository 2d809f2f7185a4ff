"""The door of the checker: judges a trace and returns its verdicts.

`check` and `judge` treat simulated runs, shrunk counterexamples and traces recorded on real
hardware alike.
"""

from collections.abc import Iterable

from ..model.base.clock import format_ns
from ..model.trace.events import UNKNOWN_EPOCH, OutsideEnded, StillUnderWay, Trace
from .core.exercise import exercises_of
from .core.monitor import Judge
from .core.verdict import Judgement, Verdict
from .registry import named

__all__ = ["check", "judge"]


def check(trace: Trace, names: Iterable[str] | None = None) -> tuple[Verdict, ...]:
    """Return the verdicts on a trace.

    Args:
        trace: Its records in order of time.
        names: Names of the properties to judge by; None for all that the trace's detail can put to
            the test.

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
        names: Names of the properties to judge by; None for all that the trace's detail can put to
            the test.
        label: `run`, or `monitored(recorded trace)`.
        bounds: What limits the verdicts, apart from the length of the trace.

    Raises:
        UnknownPropertyError: If there is no property of such a name.
    """
    return Judgement(
        scenario=trace.header.scenario,
        label=label,
        bounds=(_observed(trace), *bounds),
        assumptions=trace.header.assumptions,
        verdicts=check(trace, names),
        exercises=exercises_of(trace),
    )


def _observed(trace: Trace) -> str:
    """Return how long a trace was observed, and how its observation ended."""
    records = trace.records
    end_ns = records[-1].at_ns if records else 0
    text = f"one trace of {len(records)} records, observed for {format_ns(end_ns)}"
    alone_ns = next((each.at_ns for each in records if isinstance(each.event, OutsideEnded)), None)
    if alone_ns is None:
        return text
    what = f"nothing new from outside after {format_ns(alone_ns)}"
    rest = [each.event for each in records if isinstance(each.event, StillUnderWay)]
    unfinished = next((each.what for each in rest if each.epoch == UNKNOWN_EPOCH), None)
    if unfinished is not None:
        return f"{text}: {what}; {unfinished} had not ended when the wait for quiet was given up"
    within = format_ns(trace.header.quiet_ns_max)
    return f"{text}: {what}, then until all was quiet (at most {within})"
