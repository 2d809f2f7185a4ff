"""The door of the HTML report: writes a run as one HTML file."""

from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ...model.trace.events import Trace
from ...properties.core.verdict import HEADLINES, SEVERITIES, Violation
from ..core.assumption_lines import is_undocumented
from ..core.event_words import in_words
from ..core.findings import findings_of
from ..core.words import EXACT, about_ns, printable
from ..draw.chart import Chart
from ..draw.focus import focused_axis
from ..draw.palette import BARS, MARKS, NAMES, epoch_hatch
from ..explanation.why import why
from ..lanes.lanes import chart_of
from .content import HtmlReport
from .embed import json_for_element, policy_for
from .event_table import event_table
from .lane_table import lane_table
from .numbers import Json, packed

__all__ = ["page"]

_HERE = Path(__file__).parent
_SCRIPTS = ("data", "time", "look", "rows", "draw", "view", "causes", "crashes", "print", "main")
"""The files in `js/`, in an order in which each uses only earlier ones."""

_CAPTIONS_MAX = 40
"""How many violations the picture names; the table has all that the verdicts keep."""


_WORDS_MAX = 3_000
"""Of a longer trace only the records that matter are in words; the rest have type and fields."""

_ROLES = {
    "violation": "violation",
    "deed": "how it came about",
    "limit": "what was given back",
    "teardown": "teardown",
    "stop": "what was done to stop it",
}
"""The parts of a causal slice in words."""


def page(report: HtmlReport, version: str) -> str:
    """Return the page of a run, made by this version of quiesce.

    Names from the user's files are escaped. Equal reports give equal pages.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - heavy

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["undocumented"] = is_undocumented
    script, style = _script(), (_HERE / "page.css").read_text("utf-8")
    return environment.get_template("page.html").render(
        report=report,
        judgement=report.judgement,
        headlines=HEADLINES,
        header=report.trace.header,
        roles=_ROLES,
        why=why(report.trace, report.judgement),
        policy=policy_for(script, style),
        script=script,
        style=style,
        data=json_for_element(_data(report)),
        about=lambda value_ns: about_ns(value_ns, EXACT),
        base64=lambda content: b64encode(content).decode(),
        version=version,
    )


def _plain(value: object) -> object:
    """Return text without characters that would change what stands around it, such as U+202E."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(str(value)) if is_text else value


@cache
def _script() -> str:
    parts = [(_HERE / "js" / f"{name}.js").read_text("utf-8") for name in _SCRIPTS]
    return f'(() => {{\n"use strict";\n{"".join(parts)}}})();\n'


def _data(report: HtmlReport) -> Json:
    trace, judgement = report.trace, report.judgement
    chart = chart_of(trace)
    findings = findings_of(trace, judgement)
    seen = [finding.first.at_ns for finding in findings]
    axis = focused_axis(chart, seen, left=0, right=1000)
    return {
        "scenario": judgement.scenario,
        "events": event_table(trace.records),
        "chart": lane_table(chart),
        "focus": [packed(axis.start_ns), packed(axis.end_ns)],
        "words": _words(report),
        "severities": SEVERITIES,
        "markNames": NAMES,
        "markShapes": MARKS,
        "barStyles": {kind: [each.fill, each.hatch, each.height] for kind, each in BARS.items()},
        "epochHatches": [epoch_hatch(epoch) for epoch in range(_epochs(chart) + 1)],
        "findings": [
            {"index": each.first.index, "label": each.label, "severity": each.first.severity}
            for each in findings[:_CAPTIONS_MAX]
            if _is_shown(each.first, trace)
        ],
        "violations": [
            [each.index, verdict.property, each.severity, each.message]
            for verdict in judgement.verdicts
            for each in verdict.violations
            if _is_shown(each, trace)
        ],
        "violationsLeftOut": sum(
            each.violation_count - len(each.violations) for each in judgement.verdicts
        ),
        "crashes": _crashes(report),
    }


def _words(report: HtmlReport) -> dict[int, str]:
    """Return records in words: all of a short trace, and of a long trace those that matter."""
    records = report.trace.records
    wanted: Iterable[int] = range(len(records))
    if len(records) > _WORDS_MAX:
        nodes = report.explanation.slice.nodes if report.explanation else ()
        wanted = sorted(
            {node.index for node in nodes}
            | {each.index for each in _violations(report) if _is_shown(each, report.trace)}
        )
    return {index: in_words(records[index].event) for index in wanted}


def _violations(report: HtmlReport) -> list[Violation]:
    return [each for verdict in report.judgement.verdicts for each in verdict.violations]


def _epochs(chart: Chart) -> int:
    """Return the greatest epoch for which anything is drawn."""
    drawn: list[int] = []
    for track in (track for lane in chart.lanes for track in lane.tracks):
        drawn += [bar.epoch for bar in track.bars]
        drawn += [level.epoch for level in track.levels]
        drawn += [mark.epoch for mark in track.marks]
    return max(drawn, default=0)


def _is_shown(violation: Violation, trace: Trace) -> bool:
    """Return whether the trace has the record of a violation; a proof's may be of another run."""
    return 0 <= violation.index < len(trace.records)


def _crashes(report: HtmlReport) -> Json:
    strip = report.crashes
    if strip is None or not strip.points:
        return None
    return {
        "vm": strip.vm,
        "cause": strip.cause,
        "until": packed(strip.until_ns),
        "points": [
            {
                "from": packed(point.from_ns),
                "to": packed(point.to_ns),
                "at": packed(point.at_ns),
                "verdict": point.verdict,
                "severity": point.severity,
                "properties": list(point.properties),
                "firstAt": packed(point.first_ns),
                "first": point.first,
            }
            for point in strip.points
        ],
    }
