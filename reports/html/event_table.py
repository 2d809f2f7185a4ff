"""The records of a trace as columns: a third of the size of lines, and without loss.

Columns of all records hold instants, sources, causes and types; each type has one column for
each field of its events, in the order of the records.
"""

from collections.abc import Iterable

import msgspec

from ...model.trace.events import NO_CAUSE, Record
from .numbers import Json, WordTable, column, deltas, of_column, summed


def event_table(records: Iterable[Record]) -> Json:
    """Return the records as columns.

    A cause is written as its distance backwards, 0 for none.
    """
    sources, types = WordTable(), WordTable()
    at_ns: list[int] = []
    source: list[int] = []
    cause: list[int] = []
    kind: list[int] = []
    fields: list[tuple[str, ...]] = []
    rows: list[list[tuple[object, ...]]] = []
    for index, record in enumerate(records):
        event = record.event
        place = types.place(type(event).__name__)
        if place == len(rows):
            rows.append([])
            fields.append(event.__struct_fields__)
        rows[place].append(msgspec.structs.astuple(event))
        at_ns.append(record.at_ns)
        source.append(sources.place(record.source))
        cause.append(0 if record.cause == NO_CAUSE else index - record.cause)
        kind.append(place)
    tables = [
        {
            "type": name,
            "fields": names,
            "columns": [column(values) for values in zip(*of_type, strict=True)],
        }
        for name, names, of_type in zip(types.listed(), fields, rows, strict=True)
    ]
    return {
        "at": deltas(at_ns),
        "source": source,
        "sources": sources.listed(),
        "cause": cause,
        "kind": kind,
        "types": tables,
    }


def records_of(table: Json) -> tuple[Record, ...]:
    """Return the records of which `event_table` has made columns.

    Raises:
        msgspec.ValidationError: If the columns hold what no record can.
    """
    waiting = [_rows(of_type, table["kind"].count(at)) for at, of_type in enumerate(table["types"])]
    taken = [0] * len(waiting)
    lines = []
    for index, at_ns in enumerate(summed(table["at"])):
        kind, back = table["kind"][index], table["cause"][index]
        event = {"type": table["types"][kind]["type"]} | waiting[kind][taken[kind]]
        taken[kind] += 1
        source = table["sources"][table["source"][index]]
        cause = index - back if back else NO_CAUSE
        lines.append({"at_ns": at_ns, "source": source, "cause": cause, "event": event})
    return tuple(msgspec.convert(lines, list[Record]))


def _rows(of_type: Json, count: int) -> list[dict[str, object]]:
    columns = [of_column(each) for each in of_type["columns"]]
    if not columns:
        return [{} for _ in range(count)]
    return [
        dict(zip(of_type["fields"], values, strict=True)) for values in zip(*columns, strict=True)
    ]
