"""Measures the page of a run: seconds to make, size, seconds to open, seconds to paint.

Shipped runs with the slider, and a trace of 100,000 events (that of
`nic-crash-bare` copied end to end, without a slider).  Opened in Chromium without a window if it is
there; painting is the slowest of the whole run and ten zooms into it.

Run with `PYTHONPATH=.src python benchmarks/html_report.py [--events N] [--json]`; with
`--picture FILE` it writes the picture of `nic-crash-restart` in the gallery instead.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from formats import long_trace  # type: ignore[import-not-found]

from quiesce.model.trace.events import Trace
from quiesce.properties.check import judge
from quiesce.reports.html.content import HtmlReport
from quiesce.reports.html.page import page
from quiesce.scenarios.cli.commands.report import ReportRequest, report_command
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.runner import choices_for, run_scenario

SHIPPED = ("nic-crash-restart", "blk-crash-zero-copy", "article-walk")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1500,1330",
)

# Zooms in and back out; gives the slowest painting in milliseconds.
PAINTING = """
const [done] = arguments;
const lanes = document.getElementById("lanes");
let slowest = 0;
const keys = ["Home", ..."+".repeat(10), "v", ..."-".repeat(10)];
const next = () => {
  slowest = Math.max(slowest, Number(lanes.dataset.ms));
  if (!keys.length) { done(slowest); return; }
  lanes.dispatchEvent(new KeyboardEvent("keydown", { key: keys.shift(), bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(next));
};
next();
"""


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 2)


@contextmanager
def browser() -> Iterator[object]:
    """Give a browser without a window, or None."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService  # noqa: PLC0415

    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as profile:
        options = ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        chrome = Chrome(options=options, service=ChromeService(driver))
        chrome.set_script_timeout(120)
        try:
            yield chrome
        finally:
            chrome.quit()


def long_page(events: int, folder: Path) -> tuple[float, Path]:
    source = long_trace(events, folder / "trace.jsonl")
    trace = Trace(source.header, tuple(source.records))
    report = HtmlReport(trace=trace, judgement=judge(trace))
    path = folder / f"{events}-events.html"
    return timed(lambda: path.write_text(page(report, "benchmark"))), path


def made(name: str, folder: Path) -> tuple[float, Path]:
    run_scenario(resolved(name), *choices_for())  # imports what every command imports
    request = ReportRequest(run=name, out=folder, points=None, json=True)
    return timed(lambda: report_command(request)), folder / name / "report.html"


def measured(chrome: object, seconds: float, path: Path) -> dict[str, float]:
    from selenium.webdriver import Chrome  # noqa: PLC0415

    figures = {"made_s": seconds, "kilobytes": path.stat().st_size >> 10}
    if isinstance(chrome, Chrome):
        figures["opened_s"] = timed(lambda: chrome.get(path.as_uri()))
        assert chrome.execute_script("return document.documentElement.dataset.ready") == "yes"
        figures["slowest_paint_ms"] = chrome.execute_async_script(PAINTING)
    return figures


def picture(target: Path) -> None:
    """Write the page of `nic-crash-restart` with its worst violation selected, as a picture."""
    from selenium.webdriver import Chrome  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, browser() as chrome:
        if not isinstance(chrome, Chrome):
            message = "the packages chromium and chromium-driver are needed for a picture"
            raise SystemExit(message)
        _, path = made("nic-crash-restart", Path(folder))
        chrome.get(path.as_uri())
        chrome.find_element("css selector", "#lanes").send_keys("v")
        chrome.execute_script("scrollTo(0, 0)")
        chrome.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(() => arguments[0]()));"
        )
        chrome.save_screenshot(str(target))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    if arguments.picture:
        picture(arguments.picture)
        return
    results = {}
    with tempfile.TemporaryDirectory() as name, browser() as chrome:
        folder = Path(name)
        for scenario in SHIPPED:
            results[scenario] = measured(chrome, *made(scenario, folder))
        results[f"{arguments.events} events"] = measured(
            chrome, *long_page(arguments.events, folder)
        )
    if arguments.json:
        print(json.dumps(results))
        return
    for run, figures in results.items():
        print(f"{run:20}", ", ".join(f"{name} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
