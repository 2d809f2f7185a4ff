"""Measures how fast a long trace becomes a file of another format, and the memory for that.

The trace is that of `nic-crash-bare`, copied end to end until it is as long as asked for; it is
read from its file while it is written to the other one, as `quiesce export` does.  The yardstick is
reading the trace alone.

Run with `PYTHONPATH=.src python benchmarks/formats.py [--events N] [--json]`.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import msgspec

from quiesce.model.trace.codec import TraceFile, encode, whole_file
from quiesce.model.trace.events import Record, Trace
from quiesce.properties.check import judge
from quiesce.reports.formats.table import RUN_FORMATS
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.runner import choices_for, run_scenario


def long_trace(events: int, path: Path) -> TraceFile:
    """Write a trace of so many records to a file, with only a part of it in memory."""
    trace = run_scenario(resolved("nic-crash-bare"), *choices_for()).trace
    length_ns = trace.records[-1].at_ns + 1_000
    encode_lines = msgspec.json.Encoder().encode_lines
    with whole_file(path) as file:
        file.write(encode(Trace(trace.header, ())))
        done = 0
        while done < events:
            lap = done // len(trace.records)
            records = [
                Record(
                    each.at_ns + lap * length_ns,
                    each.source,
                    each.cause if each.cause < 0 else each.cause + done,
                    each.event,
                )
                for each in trace.records[: events - done]
            ]
            file.write(encode_lines(records))
            done += len(records)
    return TraceFile(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = long_trace(arguments.events, Path(folder) / "trace.jsonl")
        judgement = judge(Trace(source.header, ()))
        began = time.perf_counter()
        read = sum(1 for _ in source.records)
        read_s = time.perf_counter() - began
        assert read == arguments.events
        results: dict[str, dict[str, float]] = {"read": {"events_per_s": round(read / read_s)}}
        for word, each in RUN_FORMATS.items():
            path = Path(folder) / each.file
            began = time.perf_counter()
            with whole_file(path) as file:
                each.write(source, judgement, file)
            seconds = time.perf_counter() - began
            results[word] = {
                "events_per_s": round(read / seconds),
                "times_reading": round(seconds / read_s, 2),
                "megabytes": path.stat().st_size >> 20,
                "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
            }
    if arguments.json:
        print(json.dumps({"events": read, "formats": results}))
        return
    print(f"{read} events, {read / read_s:,.0f} read a second")
    for word, result in list(results.items())[1:]:
        print(
            f"{word:9} {result['events_per_s']:9,} events/s, {result['times_reading']:5.2f} times "
            f"reading, {result['megabytes']} MB, at most {result['peak_rss_mb']} MB in memory"
        )


if __name__ == "__main__":
    main()
