"""Commands that show what was found again, in other forms."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import exit_status
from .app import JobsOption, JsonOption, OutOption, app


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
            help="vcd, perfetto, btf, mermaid, junit, sarif or needs; all of them if left out.",
            show_default=False,
        ),
    ] = None,
    out: OutOption = Path("out"),
    json: JsonOption = False,
) -> int:
    """Write runs in formats that other programs open.

    To OUT/SCENARIO/: trace.vcd for GTKWave and Surfer, trace.perfetto.json for Perfetto, trace.btf
    for Trace Compass, sequence.mmd for Mermaid.  To OUT/, one for all runs: junit.xml for
    build servers, findings.sarif for editors and code hosts, needs.json for Sphinx-Needs.
    """
    from ..commands.export import ExportRequest, export_command  # noqa: PLC0415 - heavy

    request = ExportRequest(runs=tuple(runs), formats=tuple(formats or ()), out=out, json=json)
    return export_command(request)


@app.command("evidence", epilog=exit_status.HELP)
def _evidence(
    scenarios: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENARIOS", help="Scenarios; or `diff` and the folders of two packs."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the pack, which must be a new one.")
    ] = Path("pack"),
    requirements: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file of [[requirement]] tables with id, text and properties; each property"
            " is one of its own if left out."
        ),
    ] = None,
    runs: Annotated[int, typer.Option(min=0, help="Drawn runs for each scenario.")] = 200,
    prove_seconds: Annotated[
        int, typer.Option(min=0, help="Seconds for the proof of each scenario.")
    ] = 20,
    sweep: Annotated[bool, typer.Option("--sweep", help="Try every crash point, too.")] = False,
    no_mutants: Annotated[
        bool, typer.Option("--no-mutants", help="Leave the mutation score out.")
    ] = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> int:
    """Put together what a safety assessor needs, or say what has changed since.

    Requirements, properties, scenarios and verdicts in both directions; labels, bounds, assumptions
    with their sources; mutation score, margins, counterexamples, and how to do it again.

    `quiesce evidence diff OLD NEW` tells what has changed; the exit status is then 1 if anything
    has.
    """
    from ...evidence.pack import Extent  # noqa: PLC0415 - heavy
    from ..commands.evidence import (  # noqa: PLC0415 - heavy
        EvidenceRequest,
        evidence_command,
        evidence_diff_command,
    )

    if scenarios[0] == "diff":
        if len(scenarios) != 3:
            raise typer.BadParameter("diff takes the folders of two packs", param_hint="SCENARIOS")
        return evidence_diff_command(Path(scenarios[1]), Path(scenarios[2]), as_json=json)
    request = EvidenceRequest(
        scenarios=tuple(scenarios),
        out=out,
        extent=Extent(runs, prove_seconds, sweep, not no_mutants, jobs),
        requirements=requirements,
        json=json,
    )
    return evidence_command(request)


@app.command("report", epilog=exit_status.HELP)
def _report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A folder that `quiesce run` has written, or a scenario to run."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the file, OUT/SCENARIO/report.html; without it, the folder of the "
            "run, or `out`.",
            show_default=False,
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100_000,
            help="Try so many other instants of death for the slider; 0 leaves it out, and without "
            "the option there are up to 200, fewer for a long run.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Write a run as one HTML file that opens by double click, without server and network.

    Lanes that zoom, pan and filter, every event with its bytes and its causes, a slider over the
    instant of death, and what it all rests on.
    """
    from ..commands.report import ReportRequest, report_command  # noqa: PLC0415 - heavy

    return report_command(ReportRequest(run=run, out=out, points=points, json=json))
