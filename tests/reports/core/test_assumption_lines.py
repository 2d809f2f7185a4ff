"""What a judgement rests on, in few lines: nothing in silence, and nothing at length."""

from quiesce.model.trace.events import Assumption
from quiesce.reports.core.assumption_lines import assumption_lines

OPEN = Assumption("qvm.callbacks-after-sigquit", "run | skipped", "left open: whether; no page")
PINNED = Assumption("guest.power-button", "ignores", "pinned by the scenario: whether it reacts")
STEPS = Assumption("v.eth0.steps", "mask, reset", "assumed: the documented procedure")
LONG = Assumption("release_skew", "0ns..5us", "assumed: between two kinds of resources")
SOURCED = Assumption("guest_boot", "10ms", "verified: from a guide")
LEFT_OUT = Assumption(
    "nic.left-out", "transmission, " * 9 + "queues", "not modelled: plays no part"
)
IDLE = Assumption("g.options", "cmdline, cpu", "no effect: read, and not heeded (line 3)")


def test_each_kind_has_a_line_of_its_own() -> None:
    lines = assumption_lines((OPEN, PINNED, STEPS, LONG, SOURCED, LEFT_OUT, IDLE))
    assert lines[0].startswith("assumptions: 7, of which 2 undocumented (see `quiesce")
    assert lines[1:5] == [
        "  open questions: qvm.callbacks-after-sigquit (run|skipped)",
        "  answered by the scenario: guest.power-button = ignores",
        "  assumed: v.eth0.steps = mask, reset",
        "  durations without a source: release_skew",
    ]
    assert lines[5].startswith("  not modelled: nic (transmission, transmission,")
    assert lines[5].endswith(" ...)")
    assert lines[6:] == ["  without effect: cmdline, cpu"]


def test_a_long_group_says_how_much_more_there_is() -> None:
    many = tuple(Assumption(f"d{n}", "1us", "assumed: a guess") for n in range(25))
    (_, line) = assumption_lines(many)
    assert line.startswith("  durations without a source: d0, d1, ")
    assert line.endswith("d9 and 15 more")


def test_a_shipped_scenario_never_needs_more_than_twelve_lines() -> None:
    kinds = (OPEN, PINNED, STEPS, LONG, SOURCED, LEFT_OUT, IDLE)
    assert len(assumption_lines(kinds * 30)) <= 12


def test_no_assumption_is_said_as_well() -> None:
    assert assumption_lines(()) == ["assumptions: none but the trace itself"]
