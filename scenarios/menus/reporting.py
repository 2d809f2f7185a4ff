"""Commands that show a run again, in other forms."""

from pathlib import Path
from typing import Annotated

import typer

from .. import exit_status
from .app import JsonOption, OutOption, app


@app.command("export", epilog=exit_status.HELP)
def _export(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUNS", help="Folders that `quiesce run` has written, or scenarios to run."
        ),
    ],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            help="vcd, perfetto, btf, junit, sarif or needs; all of them if left out.",
            show_default=False,
        ),
    ] = None,
    out: OutOption = Path("out"),
    json: JsonOption = False,
) -> int:
    """Write runs in formats that other programs open.

    To OUT/SCENARIO/: trace.vcd for GTKWave and Surfer, trace.perfetto.json for Perfetto, trace.btf
    for Trace Compass.  To OUT/, one for all runs: junit.xml for build servers,
    findings.sarif for editors and code hosts, needs.json for Sphinx-Needs.
    """
    from ..commands.export import ExportRequest, export_command  # noqa: PLC0415 - heavy

    request = ExportRequest(runs=tuple(runs), formats=tuple(formats or ()), out=out, json=json)
    return export_command(request)
