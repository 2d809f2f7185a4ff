"""The judgement on terminals of all sizes, and in pipes."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from quiesce.model.trace.events import Assumption, Trace
from quiesce.properties.core.verdict import Judgement, Verdict
from quiesce.reports.summary import print_judgement

Judge = Callable[[Trace], Judgement]

ESCAPE = "\x1b"


def printed(judgement: Judgement, *, width: int, terminal: bool = False, **more: object) -> str:
    file = io.StringIO()
    if terminal:
        console = Console(file=file, width=width, force_terminal=True, color_system="standard")
    else:
        console = Console(file=file, width=width)
    print_judgement(judgement, console=console, **more)  # type: ignore[arg-type]
    return file.getvalue()


def row_of(text: str, name: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(name))


def test_a_pipe_gets_plain_text_with_every_fact(late_writes: Trace, judge: Judge) -> None:
    text = printed(judge(late_writes), width=100, why="No step stopped it.", replay="quiesce run x")
    assert ESCAPE not in text
    assert text.isascii()
    assert text.startswith("nic-guest-crash: violated (corruption) [run]\n")
    assert row_of(text, "no-dma-after-teardown")[1:5] == [
        "violated",
        "corruption",
        "256",
        "775.7us,",
    ]
    assert row_of(text, "no-irq-after-teardown")[1:] == ["vacuous", "-", "0", "-"]
    assert "why: No step stopped it.\n" in text
    assert "label: run\n" in text
    assert "bound: one run\n" in text
    assert "assumptions: 2, of which 2 undocumented" in text
    assert text.endswith("replay: quiesce run x\n")


def test_a_long_sentence_stays_one_line_in_a_pipe(late_writes: Trace, judge: Judge) -> None:
    text = printed(judge(late_writes), width=100, why="word " * 60 + "end")
    assert next(line for line in text.splitlines() if line.startswith("why:")).endswith("end")


def test_standard_output_that_is_no_terminal_is_a_pipe(
    late_writes: Trace,
    judge: Judge,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    print_judgement(judge(late_writes))
    text = capsys.readouterr().out
    assert ESCAPE not in text
    rows = [line.rstrip() for line in text.splitlines() if line.startswith("no-dma")]
    assert [row.endswith("775.7us, corruption at 935.7us, 23 in all") for row in rows] == [True]


def test_eighty_columns_are_enough_for_the_table(late_writes: Trace, judge: Judge) -> None:
    text = printed(judge(late_writes), width=80)
    assert max(len(line.rstrip()) for line in text.splitlines() if "why" not in line) <= 80
    assert row_of(text, "no-dma-after-teardown")[1:4] == ["violated", "corruption", "256"]


def test_a_terminal_gets_colour(late_writes: Trace, judge: Judge) -> None:
    assert ESCAPE in printed(judge(late_writes), width=100, terminal=True)


def test_forty_columns_hold_every_fact_and_no_line_is_longer(
    late_writes: Trace, judge: Judge
) -> None:
    text = printed(judge(late_writes), width=40, why="No step stopped it. " * 5)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 40
    flat = " ".join(text.split())
    for fact in (
        "no-dma-after-teardown: violated (corruption)",
        "antecedents: 256",
        "775.7us",
        "vacuous",
        "label: run",
        "2 undocumented",
        "pcie_posted_write",
    ):
        assert fact in flat


def test_verbose_lists_assumptions_and_violations(late_writes: Trace, judge: Judge) -> None:
    judgement = judge(late_writes)
    assert "half a read round trip" not in printed(judgement, width=120)
    text = printed(judgement, width=120, verbose=True)
    assert "pcie_posted_write = 100ns..1us  (assumed: half a read round trip)" in text
    assert text.count("violation: no-dma-after-teardown #") == 20
    assert "violation: no-dma-after-teardown: 3 more" in text


def test_a_recorded_trace_assumes_nothing_but_itself() -> None:
    verdict = Verdict("p", "holds", "none", 3, "well")
    judgement = Judgement(
        scenario="s",
        label="monitored(recorded trace)",
        bounds=("one trace",),
        assumptions=(),
        verdicts=(verdict,),
    )
    text = printed(judgement, width=100)
    assert "assumptions: none but the trace itself" in text
    assert "[monitored(recorded trace)]" in text


def test_markup_and_escapes_in_a_name_reach_the_reader_as_letters() -> None:
    verdict = Verdict("[red]p[/red]", "holds", "none", 1, "well")
    judgement = Judgement(
        scenario="evil\x1b[31m [bold]",
        label="run",
        bounds=("one run",),
        assumptions=(Assumption("a", "b", "given"),),
        verdicts=(verdict,),
    )
    text = printed(judgement, width=100)
    assert ESCAPE not in text
    assert "evil?[31m [bold]: holds" in text
    assert "[red]p[/red]" in text


def test_what_leaves_properties_open_is_reported_once_with_all_their_names() -> None:
    names = ("faults-contained", "epochs-match")
    judgement = Judgement(
        scenario="s",
        label="run",
        bounds=("one run",),
        assumptions=(),
        verdicts=(
            *(Verdict(name, "inconclusive", "none", 1, "eth0 was never stopped") for name in names),
            Verdict("teardown-bounded", "holds", "none", 1, "put to the test"),
        ),
    )
    text = printed(judgement, width=100)
    assert text.startswith("s: inconclusive [run]\n")
    assert text.count("eth0 was never stopped") == 1
    assert "open: faults-contained, epochs-match: eth0 was never stopped\n" in text
