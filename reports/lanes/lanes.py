"""From a trace to the chart that shows it: which bars and marks, in which lane.

Bars are exact: a bar begins and ends at the instants of two records.  The rules say
for each type of event what it begins, ends or marks.  A device, vdev or host driver has one
track for each epoch that it works for, because what is forbidden after a teardown is to work
for the epoch that was torn down.
"""

from ...model.trace.events import Trace
from ..draw.chart import Chart
from .device_rules import DEVICE_RULES
from .irq_rules import IRQ_RULES
from .lane_reader import At, LaneReader, Rules
from .vm_rules import VM_RULES

_RULES: Rules = {**VM_RULES, **DEVICE_RULES, **IRQ_RULES}


def chart_of(trace: Trace) -> Chart:
    """Return what there is to draw of a trace."""
    reader = LaneReader(trace)
    for index, record in enumerate(trace.records):
        rule = _RULES.get(type(record.event))
        if rule is not None:
            rule(record.event, reader, At(index, record.at_ns, record.source))
    return reader.chart()
