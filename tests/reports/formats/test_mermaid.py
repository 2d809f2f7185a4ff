"""Mermaid's own parser takes our diagrams, with any names from the user's files."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Record, Trace
from quiesce.properties.check import judge as judge_by_all
from quiesce.reports.explanation.causal_slice import slice_of
from quiesce.reports.formats.causal_formats import mermaid
from quiesce.reports.formats.sequence import sequence

pytest.importorskip("selenium")

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
BUNDLE = Path(__file__).parents[3] / ".mermaid/node_modules/mermaid/dist/mermaid.min.js"

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER and BUNDLE.exists()), reason="no chromium, or no mermaid from npm"
    ),
]

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
ASK = """
const done = arguments[arguments.length - 1];
mermaid.parse(arguments[0]).then(
  found => done({kind: found.diagramType}), error => done({error: String(error)}));
"""

Parse = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def parse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parse]:
    """Mermaid's parser, in a page of its own."""
    folder = tmp_path_factory.mktemp("mermaid")
    page = folder / "page.html"
    page.write_text(f'<!doctype html><script src="{BUNDLE.as_uri()}"></script>')
    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    with Chrome(options=options, service=ChromeService(str(DRIVER))) as chrome:
        chrome.get(page.as_uri())
        yield lambda text: dict(chrome.execute_async_script(ASK, text))


def test_the_parser_refuses_what_is_no_diagram(parse: Parse) -> None:
    assert "error" in parse("sequenceDiagram\n    p1 -> -> p2")


def test_a_late_write_is_a_sequence_diagram(parse: Parse, late_writes: Trace) -> None:
    text = sequence(late_writes, judge_by_all(late_writes))
    assert parse(text) == {"kind": "sequence"}
    assert "VIOLATION" in text
    assert text.index("from here on nothing may come") < text.index("VIOLATION")


def test_a_teardown_without_violation_is_one_too(parse: Parse, stopped_in_time: Trace) -> None:
    held = Trace(stopped_in_time.header, stopped_in_time.records)
    text = sequence(held, judge_by_all(held))
    assert parse(text) == {"kind": "sequence"}
    assert "disable-receive" in text


@pytest.mark.parametrize(
    "name", ["end", "a;b", "p1->>p2: hi", "<b>#quot;", 'say "end"', "x: y", "%%{init}%%", "\n end"]
)
def test_a_name_is_never_a_command(parse: Parse, name: str) -> None:
    records = (
        Record(0, name, -1, ev.FramesGranted(name, 1, 0, 1)),
        Record(5, name, 0, ev.TerminationBegun(name, 1, "sigterm", orderly=True)),
        Record(6, f"{name}.x", 1, ev.FramesReleased(name, 1, 0, 1)),
        Record(9, name, 0, ev.DmaLanded(name, 1, 0, 1, "data")),
    )
    trace = Trace(Header(name), records)
    judgement = judge_by_all(trace)
    assert parse(sequence(trace, judgement)) == {"kind": "sequence"}
    graph = slice_of(trace, judgement)
    assert graph is not None
    assert parse(mermaid(graph))["kind"].startswith("flowchart")


def test_a_run_in_which_nothing_ends_is_still_a_diagram(parse: Parse) -> None:
    trace = Trace(Header("still"), (Record(0, "run", -1, ev.ObservationEnded()),))
    assert parse(sequence(trace, judge_by_all(trace))) == {"kind": "sequence"}
