"""Makes the chart of a trace: which bars and marks stand in which lane.

Bars are exact: a bar begins and ends at the instants of two records. For each type of event a rule
gives what it begins, ends or marks. A device, vdev or host driver has a track for each epoch that
it works for: what a teardown forbids is work for the epoch that was torn down.
"""

from ...model.trace.events import Trace
from ..draw.chart import Chart
from .device_rules import DEVICE_RULES
from .irq_rules import IRQ_RULES
from .lane_reader import At, LaneReader, Rules
from .vm_rules import VM_RULES

_RULES: Rules = {**VM_RULES, **DEVICE_RULES, **IRQ_RULES}


def chart_of(trace: Trace) -> Chart:
    """Return the chart that shows a trace."""
    reader = LaneReader(trace)
    for index, record in enumerate(trace.records):
        rule = _RULES.get(type(record.event))
        if rule is not None:
            rule(record.event, reader, At(index, record.at_ns, record.source))
    return reader.chart()
