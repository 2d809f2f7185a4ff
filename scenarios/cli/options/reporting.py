"""Commands that write results in other forms: exports, evidence packs, HTML reports."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import exit_status
from .app import DefineOption, JobsOption, JsonOption, OutOption, app


@app.command("export", epilog=exit_status.HELP)
def _export(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUNS", help="Folders written by `quiesce run`, or scenarios to run now."
        ),
    ],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            help="vcd, perfetto, btf, mermaid, junit, sarif or needs; may be given several times.  "
            "All formats if left out.",
            show_default=False,
        ),
    ] = None,
    out: OutOption = Path("out"),
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
) -> int:
    """Write runs in formats that other programs open.

    For each run, in OUT/SCENARIO/: trace.vcd for GTKWave and Surfer, trace.perfetto.json for
    Perfetto, trace.btf for Trace Compass, sequence.mmd for Mermaid.

    For all runs together, in OUT/: junit.xml for build servers, findings.sarif for editors and code
    hosts, needs.json for Sphinx-Needs.
    """
    from ...resolve.library import words_of  # noqa: PLC0415 - heavy
    from ..commands.export import ExportRequest, export_command  # noqa: PLC0415 - heavy

    words = tuple(words_of(runs))
    request = ExportRequest(runs=words, formats=tuple(formats or ()), out=out, json=json)
    return export_command(request)


@app.command("evidence", epilog=exit_status.HELP)
def _evidence(  # noqa: PLR0913, PLR0917 - one for each option
    scenarios: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENARIOS",
            help="Scenarios to examine; or `diff OLD NEW`, folders of two packs.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the pack; it must not exist yet.")
    ] = Path("pack"),
    requirements: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file of [[requirement]] tables with id, text and properties.  Without it "
            "each property is a requirement of its own."
        ),
    ] = None,
    runs: Annotated[int, typer.Option(min=0, help="Runs to draw for each scenario.")] = 200,
    prove_seconds: Annotated[
        int, typer.Option(min=0, help="Seconds for the proof of each scenario; 0 for no proof.")
    ] = 20,
    sweep: Annotated[bool, typer.Option("--sweep", help="Also try every crash point.")] = False,
    no_mutants: Annotated[
        bool, typer.Option("--no-mutants", help="Leave out the mutation score, which is faster.")
    ] = False,
    jobs: JobsOption = 1,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
) -> int:
    """Build an evidence pack for an assessor, or compare two.

    The pack links requirements, properties, scenarios and verdicts in both directions, for a safety
    assessor.  It holds labels, bounds, assumptions with their sources, the mutation score, margins,
    counterexamples and the commands that repeat each result.

    `quiesce evidence diff OLD NEW` lists what has changed; the exit status is then 1 if anything
    has.
    """
    from ...evidence.pack import Extent  # noqa: PLC0415 - heavy
    from ...resolve.library import words_of  # noqa: PLC0415 - heavy
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
        scenarios=tuple(words_of(scenarios)),
        out=out,
        extent=Extent(runs, prove_seconds, sweep, not no_mutants, jobs),
        requirements=requirements,
        json=json,
    )
    return evidence_command(request)


@app.command("report", epilog=exit_status.HELP)
def _report(
    run: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN", help="A folder written by `quiesce run`, or a scenario to run now."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for OUT/SCENARIO/report.html; the folder of the run, or `out`, if left "
            "out.",
            show_default=False,
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100_000,
            help="Other instants of death to run for the slider; 0 leaves the slider out.  Up to "
            "200 if left out, fewer for a long run.",
            show_default=False,
        ),
    ] = None,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
) -> int:
    """Write a run as one HTML file that opens without a server.

    The file opens by double click and needs no network.  The page shows:

    - lanes that zoom, pan and filter,

    - every event with its bytes and its causes,

    - a slider over the instant of death,

    - the assumptions that the run rests on.
    """
    from ...resolve.library import one_word  # noqa: PLC0415 - heavy
    from ..commands.report import ReportRequest, report_command  # noqa: PLC0415 - heavy

    return report_command(ReportRequest(run=one_word(run), out=out, points=points, json=json))
