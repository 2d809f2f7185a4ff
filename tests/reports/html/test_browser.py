"""The page in a browser: what a reader does with mouse and keys, and what the page answers."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quiesce.model.trace.events import DmaLanded, Header, Record, Trace
from quiesce.properties.check import judge
from quiesce.reports.html.content import HtmlReport
from quiesce.reports.html.page import page
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.crash_points import crash_strip, target_of
from quiesce.scenarios.run.runner import choices_for, run_scenario

from .test_page import HOSTILE, NAME, report_named

pytest.importorskip("selenium")

from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

BROWSER = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER), reason="the packages chromium and chromium-driver are not there"
    ),
]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)


class Reader:
    """A reader in front of the browser.

    Args:
        chrome: The browser.
    """

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def opens(self, path: Path) -> "Reader":
        self.chrome.get(path.as_uri())
        assert self.runs("return document.documentElement.dataset.ready") == "yes"
        self.settles()
        return self

    def runs(self, script: str, *values: object) -> Any:
        return self.chrome.execute_script(script, *values)

    def settles(self) -> None:
        """Wait until what was asked for has been painted."""
        self.chrome.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => done()));"
        )

    def finds(self, selector: str) -> WebElement:
        return self.chrome.find_element("css selector", selector)

    def presses(self, *keys: str) -> None:
        self.finds("#lanes").send_keys(*keys)
        self.settles()

    @property
    def view(self) -> dict[str, int]:
        """What the picture shows, after it has painted all that was asked for."""
        self.settles()
        page_text = self.runs("return {...document.getElementById('lanes').dataset}")
        return {name: int(value) for name, value in page_text.items()}

    def of(self, script: str) -> Any:
        """Return something of the run, from the data of the page."""
        data = "JSON.parse(document.getElementById('quiesce-data').textContent)"
        return self.runs(f"const data = {data}; return {script};")

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.logged()]

    def logged(self) -> list[dict[str, str]]:
        log: list[dict[str, str]] = self.chrome.get_log("browser")  # type: ignore[no-untyped-call]
        return log


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    assert BROWSER is not None
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService(DRIVER))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def restart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a crash whose device goes on writing into the next guest."""
    scenario = resolved("nic-crash-restart")
    result = run_scenario(scenario, *choices_for())
    target = target_of(scenario.plan)
    assert target is not None
    report = HtmlReport(
        trace=result.trace, judgement=result.judgement, crashes=crash_strip(target, 12)
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(report, "1.0"))
    return path


@pytest.fixture
def reader(chrome: Chrome, restart: Path) -> Iterator[Reader]:
    someone = Reader(chrome).opens(restart)
    yield someone
    assert someone.complaints() == []


def test_the_page_opens_on_the_decisive_part_without_complaint(reader: Reader) -> None:
    assert reader.view["drawn"] > 100
    assert reader.view["rows"] > 10
    first, last = reader.of("data.focus")
    assert reader.view["from"] <= first < last <= reader.view["to"]


def test_keys_zoom_and_move(reader: Reader) -> None:
    before = reader.view
    reader.presses("+")
    closer = reader.view
    assert closer["to"] - closer["from"] < 0.7 * (before["to"] - before["from"])
    reader.presses(Keys.ARROW_RIGHT)
    assert reader.view["from"] > closer["from"]
    reader.presses(Keys.HOME)
    assert reader.view["to"] - reader.view["from"] >= before["to"] - before["from"]


def test_the_wheel_zooms_where_the_pointer_is_and_a_drag_moves(reader: Reader) -> None:
    before = reader.view
    reader.runs(
        "document.getElementById('lanes').dispatchEvent(new WheelEvent('wheel',"
        "{deltaY: -800, ctrlKey: true, bubbles: true, cancelable: true}))"
    )
    reader.settles()
    closer = reader.view
    assert closer["to"] - closer["from"] < before["to"] - before["from"]
    hold = ActionChains(reader.chrome).click_and_hold(reader.finds("#lanes"))
    hold.move_by_offset(-150, 0).release().perform()
    reader.settles()
    assert reader.view["from"] > closer["from"]
    assert reader.view["selected"] == -1


def test_v_selects_the_worst_violation_and_enter_walks_its_causes(reader: Reader) -> None:
    reader.presses("v")
    worst = reader.of("data.findings[0].index")
    assert reader.view["selected"] == worst
    page_text = reader.finds("#event").text
    assert "DmaLanded" in page_text
    broken = reader.of("data.violations.filter(each => each[0] === data.findings[0].index)")
    assert broken
    assert all(name in page_text and message in page_text for _, name, _, message in broken)
    way = [worst]
    back = reader.of("data.events.cause")
    while back[way[-1]]:
        reader.presses(Keys.ENTER)
        way.append(way[-1] - back[way[-1]])
        assert reader.view["selected"] == way[-1]
    assert len(way) > 3
    reader.presses(Keys.ENTER)
    assert reader.view["selected"] == way[-1], "what nothing brought about has no cause"
    reader.presses(Keys.SHIFT + Keys.ENTER)
    assert reader.view["selected"] == way[-2]


def test_a_click_on_a_cause_goes_there(reader: Reader) -> None:
    reader.presses("v")
    button = reader.finds("#event-body ol button")
    wanted = int(button.get_attribute("data-event") or -1)
    button.click()
    reader.settles()
    assert reader.view["selected"] == wanted


def point_of(reader: Reader, index: int) -> tuple[int, int]:
    """Return where an event stands, after it was brought into the middle of the view."""
    reader.runs("document.querySelector(`button[data-event='${arguments[0]}']`).click()", index)
    reader.settles()
    reader.presses(Keys.ESCAPE)
    left, y = 220, int(reader.finds("#lanes").size["height"]) // 2
    width = int(reader.finds("#lanes").size["width"]) - left - 10
    at = sum(reader.of("data.events.at")[: index + 1])
    share = (at - reader.view["from"]) / (reader.view["to"] - reader.view["from"])
    return left + round(share * width), y


def test_the_pointer_over_an_event_shows_it_with_its_bytes(reader: Reader) -> None:
    # The worst write stands beside a read, so that a pixel holds both; this one stands alone.
    alone = reader.of("data.findings.find(each => each.label.includes('frame 0x80013')).index")
    x, _ = point_of(reader, alone)
    size = reader.finds("#lanes").size
    shown = ""
    for y in range(70, int(size["height"]), 8):
        move = ActionChains(reader.chrome)
        move.move_to_element_with_offset(
            reader.finds("#lanes"), x - size["width"] // 2, y - int(size["height"]) // 2
        ).perform()
        reader.settles()
        shown = reader.finds("#tip").text
        if "write lands" in shown:
            break
    assert "write lands" in shown
    assert re.search(r"bytes\n.*0x80\w+ to 0x80\w+, frame 0x80\w+", shown, re.DOTALL)


def test_a_filter_of_lanes_leaves_the_others_out(reader: Reader) -> None:
    before = reader.view["rows"]
    reader.finds("#lane-filter").send_keys("memory, gic")
    reader.settles()
    assert 0 < reader.view["rows"] < before / 2


def test_a_filter_of_events_counts_and_steps_through_what_it_shows(reader: Reader) -> None:
    reader.finds("#event-filter").send_keys("DmaLanded 0x80019")
    reader.settles()
    count, total = (int(w) for w in reader.finds("#matches").text.split() if w.isdigit())
    assert 0 < count < total
    reader.presses(Keys.HOME)
    seen = set()
    for _ in range(count):
        reader.finds("[data-do=next]").click()
        reader.settles()
        seen.add(reader.view["selected"])
        assert "DmaLanded" in reader.finds("#event-title").text
    assert len(seen) == count


def test_the_slider_tells_the_verdict_of_each_instant_of_death(reader: Reader) -> None:
    points = reader.of("data.crashes.points")
    slider = reader.finds("#crash-slider")
    slider.send_keys(Keys.HOME)
    for at, point in enumerate(points):
        if at:
            slider.send_keys(Keys.ARROW_RIGHT)
        reader.settles()
        page_text = reader.finds("#crash-say").text
        word = "violates" if point["verdict"] == "violated" else point["verdict"]
        assert word in page_text
        assert point["first"] in page_text
        assert all(name in page_text for name in point["properties"])
    assert {point["verdict"] for point in points} > {"violated"}


def test_dark_and_light_differ_and_both_can_be_read(reader: Reader) -> None:
    colours = {}
    for _ in range(2):
        reader.finds("#theme").click()
        reader.settles()
        theme = reader.runs("return document.documentElement.dataset.theme")
        colours[theme] = reader.runs(
            "const style = getComputedStyle(document.body);"
            "const copy = document.createElement('canvas').getContext('2d',"
            "{willReadFrequently: true});"
            "copy.drawImage(document.getElementById('lanes'), 0, 0);"
            "const pixel = copy.getImageData(3, 3, 1, 1).data;"
            "return [style.color, style.backgroundColor, [...pixel].slice(0, 3).join()]"
        )
    assert set(colours) == {"light", "dark"}
    light, dark = colours["light"], colours["dark"]
    assert light[1] == "rgb(255, 255, 255)"
    assert light[2] == "255,255,255"
    assert dark[1].removeprefix("rgb(").removesuffix(")").replace(" ", "") == dark[2]
    assert dark[:2] != light[:2]


def test_question_mark_opens_the_help(reader: Reader) -> None:
    reader.presses("?")
    assert reader.finds("#help").is_displayed()
    reader.finds("#help button").click()
    reader.settles()
    assert not reader.finds("#help").is_displayed()


def test_on_paper_there_is_a_picture_of_what_is_in_view(reader: Reader) -> None:
    reader.runs("window.dispatchEvent(new Event('beforeprint'))")
    source = reader.runs("return document.getElementById('print-image').src")
    reader.runs("window.dispatchEvent(new Event('afterprint'))")
    assert source.startswith("data:image/png")
    assert len(source) > 10_000


def test_hostile_names_do_nothing_in_the_browser(chrome: Chrome, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(page(report_named(HOSTILE), "1.0"))
    reader = Reader(chrome).opens(path)
    reader.presses("v")
    assert NAME in reader.finds("#event").text
    assert NAME in reader.finds("h1").text
    assert len(chrome.find_elements("css selector", "script")) == 2
    assert reader.complaints() == []


def test_painting_a_dense_run_draws_pixels_and_not_events(chrome: Chrome, tmp_path: Path) -> None:
    count = 20_000
    write = DmaLanded("eth0", 1, 0x8000_0000, 64, "data")
    records = tuple(Record(10 * at, f"part{at % 3}", at - 1, write) for at in range(count))
    trace = Trace(Header("dense"), records)
    path = tmp_path / "dense.html"
    path.write_text(page(HtmlReport(trace=trace, judgement=judge(trace)), "1.0"))
    reader = Reader(chrome).opens(path)
    reader.presses(Keys.HOME)
    rows, width = reader.view["rows"], int(reader.finds("#lanes").size["width"])
    assert width < reader.view["drawn"] <= rows * width < count
    reader.presses("n", *"+" * 14)
    assert reader.view["selected"] >= 0
    assert reader.view["drawn"] < 200
