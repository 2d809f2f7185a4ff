"""Commands that run scenarios as they stand, and show what they rest on."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..output import exit_status
from .app import (
    JobsOption,
    JsonOption,
    OutOption,
    ScenarioArgument,
    VerboseOption,
    app,
    complete_scenario,
)


class TimingChoice(StrEnum):
    """How every delay is fixed at once."""

    NOMINAL = "nominal"
    EARLIEST = "earliest"
    LATEST = "latest"
    ENDS = "ends"


@app.command("run", epilog=exit_status.HELP)
def _run(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A scenario file, the name of a shipped scenario, or a .qvmconf file.",
            autocompletion=complete_scenario,
            show_default=False,
        ),
    ] = "",
    out: OutOption = Path("out"),
    timing: Annotated[
        TimingChoice | None,
        typer.Option(
            help="Fix every delay at its middle, its least or its greatest value; `ends` takes the "
            "least or the greatest of each, as --seed has it."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draw delays and open questions at random instead.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Repeat the run of a replay.json; needs no scenario.")
    ] = None,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw no pictures.")] = False,
    no_explain: Annotated[
        bool, typer.Option("--no-explain", help="Do not look for what would have saved the run.")
    ] = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Run a scenario once and judge it.

    Writes trace.jsonl, verdict.json, replay.json, origins.json (which lines of your files speak of
    each component) and the timing diagram to OUT/SCENARIO/, for a violation with an explanation and
    a graph of its causes.  One run shows what can happen, never that nothing else can.

    The exit status is 1 if a property is violated, whether or not the scenario expects that;
    `quiesce verify` compares with what is expected.
    """
    from ...run.one_run import RunRequest  # noqa: PLC0415 - heavy
    from ..commands.run import run_command  # noqa: PLC0415 - heavy

    timing_word = timing.value if timing else ""
    request = RunRequest(
        scenario=scenario,
        out=out,
        timing=timing_word,
        seed=seed,
        replay=replay,
        plot=not no_plot,
    )
    return run_command(request, explain=not no_explain, as_json=json, verbose=verbose)


@app.command("explain", epilog=exit_status.HELP)
def _explain(
    word: Annotated[
        str,
        typer.Argument(
            metavar="DIR|SCENARIO",
            help="The folder of a run, its replay.json, or a scenario as for `quiesce run`.",
            autocompletion=complete_scenario,
            show_default=False,
        ),
    ],
    out: OutOption = Path("out"),
    timing: Annotated[
        TimingChoice | None,
        typer.Option(help="Of a scenario: how delays are fixed, as for `quiesce run`."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of a scenario: draw delays and open questions at random.")
    ] = None,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw no pictures.")] = False,
    json: JsonOption = False,
) -> int:
    """Say why a run went wrong, and what would have saved it.

    Single changes of the scenario are tried, the smallest first, by running it again.  So the
    change that is named does save the run; whether it saves others as well is said.

    The explanation and the graph of causes are written to the folder of the run, or to
    OUT/SCENARIO/.  The exit status is 1 if there was something to explain.
    """
    from ..commands.explain import ExplainRequest, explain_command  # noqa: PLC0415 - heavy

    timing_word = timing.value if timing else ""
    request = ExplainRequest(word, out, timing_word, seed, plot=not no_plot, json=json)
    return explain_command(request)


@app.command("compare")
def _compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="The folder of a run, its replay.json, or a scenario; stands above.",
            autocompletion=complete_scenario,
            show_default=False,
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="B",
            help="The other run.",
            autocompletion=complete_scenario,
            show_default=False,
        ),
    ],
    out: OutOption = Path("out"),
    json: JsonOption = False,
) -> int:
    """Draw two runs in one picture, aligned at the instant at which qvm begins to end.

    Writes compare.svg and compare.png to OUT/A-and-B/.  The exit status is 0 whatever the
    verdicts are.
    """
    from ..commands.compare import CompareRequest, compare_command  # noqa: PLC0415 - heavy

    return compare_command(CompareRequest((first, second), out, json))


@app.command("scenarios")
def _scenarios(json: JsonOption = False) -> int:
    """List the shipped scenarios."""
    from ..commands.show import scenarios_command  # noqa: PLC0415 - keeps --help fast

    return scenarios_command(as_json=json)


@app.command("verify", epilog=exit_status.HELP)
def _verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAMES",
            help="Shipped scenarios or files; all shipped ones if left out.",
            autocompletion=complete_scenario,
            show_default=False,
        ),
    ] = None,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough",
            help="Try the ends of spans as well: what a scenario expects to hold must hold there.",
        ),
    ] = False,
    samples: Annotated[
        int, typer.Option(min=1, help="Of --thorough: timings that are drawn for each scenario.")
    ] = 16,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> int:
    """Run scenarios and compare with what they expect.

    Each scenario runs with the nominal timing.  With --thorough it also runs with every delay at
    its least, with every delay at its greatest, and with timings in which each delay has one end
    of its span.  A verdict `violated` must come about with the nominal timing.

    The exit status is 0 if every verdict is as expected, be it `violated`.
    """
    from ..commands.verify import VerifyRequest, verify_command  # noqa: PLC0415 - heavy

    drawn = samples if thorough else 0
    request = VerifyRequest(tuple(names or ()), drawn, jobs, thorough=thorough, json=json)
    return verify_command(request)


@app.command("assumptions")
def _assumptions(scenario: ScenarioArgument, json: JsonOption = False) -> int:
    """Show what a scenario takes for granted.

    Every span comes with its evidence, every open question with its answers.

    Pinned answers are marked with *, values given by the scenario with +.
    """
    from ..commands.show import assumptions_command  # noqa: PLC0415 - heavy

    return assumptions_command(scenario, as_json=json)


@app.command("schema")
def _schema(
    verdicts: Annotated[
        bool,
        typer.Option("--verdicts", help="Print that of verdict.json and --json."),
    ] = False,
    json: JsonOption = False,  # noqa: ARG001 - it is JSON in any case
) -> int:
    """Print the JSON Schema of scenario files, or with --verdicts of what is said of them."""
    from ..commands.show import schema_command  # noqa: PLC0415 - keeps --help fast

    return schema_command(of_verdicts=verdicts)
