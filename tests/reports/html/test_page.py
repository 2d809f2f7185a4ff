"""The page as a file: what stands in it, whole and escaped; no browser is needed."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quiesce.model.trace import events as ev
from quiesce.model.trace.codec import encode
from quiesce.model.trace.events import Header, Part, Record, Trace
from quiesce.properties.check import judge
from quiesce.reports.explanation.explanation import explain
from quiesce.reports.html import page as page_module
from quiesce.reports.html.content import ChoiceRow, CrashPoint, CrashStrip, HtmlReport
from quiesce.reports.html.embed import json_for_element
from quiesce.reports.html.event_table import event_table, records_of
from quiesce.reports.html.page import page
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.runner import RunResult, choices_for, run_scenario

NAME = "<script>alert(1)</script>"
HOSTILE = f"{NAME}&\"'\u2028]]><!--</style></title>"


class _Outline(HTMLParser):
    """Collects start tags and the text of each kind of element."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.tags[-1] if self.tags else "", []).append(data)


def outline(text: str) -> _Outline:
    parser = _Outline()
    parser.feed(text)
    parser.close()
    return parser


def data_of(text: str) -> Any:
    found = re.search(r'id="quiesce-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def run_of(name: str) -> RunResult:
    return run_scenario(resolved(name), *choices_for())


def report_of(name: str) -> HtmlReport:
    result = run_of(name)
    return HtmlReport(trace=result.trace, judgement=result.judgement)


def report_named(word: str) -> HtmlReport:
    """Return a run in which every name is this word."""
    frame = 0x80000
    header = Header(
        word,
        word,
        (Part(word, "hardware"), Part("memory", "memory")),
        assumptions=(ev.Assumption(word, word, word),),
    )
    happened: list[tuple[int, str, ev.AnyEvent]] = [
        (0, word, ev.VmStarted(word, 1)),
        (0, "memory", ev.FramesGranted(word, 1, frame, 1)),
        (10, word, ev.DmaIssued(word, 1, frame << 12, 64, word)),
        (20, word, ev.GuestEnded(word, 1, word)),
        (30, "memory", ev.FramesReleased(word, 1, frame, 1)),
        (40, word, ev.DmaLanded(word, 1, frame << 12, 64, word)),
        (50, "run", ev.ObservationEnded()),
    ]
    records = tuple(
        Record(at_ns, source, index - 1, event)
        for index, (at_ns, source, event) in enumerate(happened)
    )
    trace = Trace(header, records)
    point = CrashPoint(0, 10, 5, "violated", "stray", (word,), 40, word)
    judgement = judge(trace, bounds=(word,))
    explanation = explain(trace, judgement)
    assert explanation is not None
    return HtmlReport(
        trace=trace,
        judgement=judgement,
        explanation=explanation,
        choices=(ChoiceRow(word, "option", 1, word),),
        crashes=CrashStrip(word, word, 50, 1, (point,)),
        replay=word,
        files=((word, word),),
    )


def test_names_from_files_of_users_are_text_and_nothing_else() -> None:
    tame, hostile = (
        outline(page(report_named("plain"), "1.0")),
        outline(page(report_named(HOSTILE), "1.0")),
    )
    assert hostile.tags == tame.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in tame.attributes]
    assert len(hostile.tags) > 100
    for tag in ("title", "h1", "p", "td", "dd", "code"):
        assert NAME in "".join(hostile.texts[tag]), tag


def test_nothing_in_the_data_can_end_their_element() -> None:
    text = json_for_element({HOSTILE: [HOSTILE, "\udc80"]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert HOSTILE in json.loads(text)


def test_the_policy_names_exactly_the_script_and_the_style_of_the_page() -> None:
    text = page(report_of("nic-crash-bare"), "1.0")
    parsed = outline(text)
    policy = next(value for _, value in parsed.attributes if value.startswith("default-src"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    for found in (script, style):
        assert found is not None
        digest = base64.b64encode(hashlib.sha256(found.group(1).encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_nothing_is_fetched_and_no_script_makes_markup() -> None:
    text = page(report_of("nic-crash-bare"), "1.0")
    assert "://" not in text.replace(data_text(text), "")
    scripts = "".join(
        path.read_text() for path in (Path(page_module.__file__).parent / "js").glob("*.js")
    )
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch("):
        assert word not in scripts, word


def data_text(text: str) -> str:
    found = re.search(r'id="quiesce-data">.*?</script>', text, re.DOTALL)
    assert found is not None
    return found.group(0)


def test_every_script_is_in_the_page() -> None:
    folder = Path(page_module.__file__).parent / "js"
    assert {path.stem for path in folder.glob("*.js")} == set(page_module._SCRIPTS)


@pytest.mark.parametrize("name", ["nic-crash-restart", "article-walk", "blk-crash-packed"])
def test_the_trace_comes_back_out_of_the_page_to_the_byte(name: str) -> None:
    report = report_of(name)
    records = records_of(data_of(page(report, "1.0"))["events"])
    assert encode(Trace(report.trace.header, records)) == encode(report.trace)


def test_columns_that_hold_no_record_are_refused() -> None:
    table = event_table(report_of("nic-crash-bare").trace.records)
    table["types"][0]["type"] = "NoSuchEvent"
    with pytest.raises(msgspec.ValidationError):
        records_of(table)


def test_an_empty_trace_makes_a_page() -> None:
    trace = Trace(Header("nothing"), ())
    data = data_of(page(HtmlReport(trace=trace, judgement=judge(trace)), "1.0"))
    assert data["events"]["at"] == []
    assert data["chart"]["lanes"] == []


def test_equal_runs_give_equal_pages() -> None:
    assert page(report_of("nic-crash-bare"), "1.0") == page(report_of("nic-crash-bare"), "1.0")


def test_the_tables_say_what_the_verdict_rests_on() -> None:
    report = report_of("nic-crash-bare")
    text = page(report, "1.0")
    cells = set("".join(outline(text).texts["td"]).split("\n"))
    page_text = " ".join(cells)
    for assumption in report.judgement.assumptions:
        assert assumption.name in page_text
        assert assumption.value in page_text
    for verdict in report.judgement.verdicts:
        assert verdict.property in page_text


def test_what_led_to_the_violation_stands_in_a_table_and_each_event_in_words() -> None:
    result = run_of("nic-crash-bare")
    explanation = explain(result.trace, result.judgement)
    assert explanation is not None
    report = HtmlReport(trace=result.trace, judgement=result.judgement, explanation=explanation)
    text = page(report, "1.0")
    parsed = outline(text)
    page_text = "".join(parsed.texts["td"]) + "".join(parsed.texts["b"])
    assert len(explanation.slice.nodes) > 3
    for node in explanation.slice.nodes:
        assert node.text in page_text
        assert data_of(text)["words"][str(node.index)] == node.text
    assert explanation.sentences[0] in text


def test_no_character_turns_the_text_around() -> None:
    text = page(report_named("left\u202etfel"), "1.0").split("quiesce-data")[0]
    assert "\u202e" not in text
    assert "left?tfel" in text
