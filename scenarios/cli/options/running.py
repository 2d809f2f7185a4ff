"""Commands that run scenarios as they stand, explain and compare runs, and show assumptions."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..output import exit_status
from .app import (
    DefineOption,
    JobsOption,
    JsonOption,
    NoPlotOption,
    OutOption,
    ScenarioArgument,
    VerboseOption,
    app,
    complete_scenario,
)


class TimingChoice(StrEnum):
    """The rule that fixes every delay of a run."""

    NOMINAL = "nominal"
    EARLIEST = "earliest"
    LATEST = "latest"
    ENDS = "ends"


@app.command("run", epilog=exit_status.HELP)
def _run(  # noqa: PLR0913, PLR0917 - one for each option
    scenario: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCENARIO",
            help="A scenario file, the name of a shipped scenario, or .qvmconf files of one "
            "machine; - is standard input.",
            autocompletion=complete_scenario,
            show_default=False,
        ),
    ] = None,
    out: OutOption = Path("out"),
    timing: Annotated[
        TimingChoice | None,
        typer.Option(
            help="Fix every delay: nominal is the middle of its span, earliest the least value, "
            "latest the greatest; ends draws the least or the greatest for each delay (see --seed)."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Draw delays and answers to open questions at random; the same seed repeats a run."
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="Repeat the run that a replay.json records; give no scenario with it."),
    ] = None,
    no_plot: NoPlotOption = False,
    no_explain: Annotated[
        bool,
        typer.Option(
            "--no-explain",
            help="Skip the search for a change that would have saved the run, which is faster.",
        ),
    ] = False,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Run a scenario once and judge it.

    The command writes to OUT/SCENARIO/: trace.jsonl (every event), verdict.json, replay.json,
    origins.json (which lines of your files describe each component) and the timing diagram.
    For a violation it adds an explanation and a graph of the causes.

    One run shows one possible behaviour.  To judge others use `quiesce fuzz`, `sweep` or `prove`.

    The exit status is 1 if a property is violated, even if the scenario expects that.
    `quiesce verify` compares the verdicts with the expectations.
    """
    from ...resolve.library import one_word  # noqa: PLC0415 - heavy
    from ...run.one_run import RunRequest  # noqa: PLC0415 - heavy
    from ..commands.run import run_command  # noqa: PLC0415 - heavy

    timing_word = timing.value if timing else ""
    request = RunRequest(
        scenario=one_word(scenario or []),
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
        list[str],
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
        typer.Option(help="Fix the delays of a scenario, as for `quiesce run`."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Draw the delays of a scenario and its answers to open questions at random."
        ),
    ] = None,
    no_plot: NoPlotOption = False,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
) -> int:
    """Explain why a run violates a property and what would save it.

    The command repeats the run with single changes of the scenario, the smallest first.  The change
    that it names saves this run; the text says in how many other timings it holds.

    The command writes the explanation and the graph of causes to the folder of the run, or to
    OUT/SCENARIO/.  The exit status is 1 if the run violates a property.
    """
    from ...resolve.library import one_word  # noqa: PLC0415 - heavy
    from ..commands.explain import ExplainRequest, explain_command  # noqa: PLC0415 - heavy

    timing_word = timing.value if timing else ""
    request = ExplainRequest(one_word(word), out, timing_word, seed, plot=not no_plot, json=json)
    return explain_command(request)


@app.command("compare")
def _compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="The folder of a run, its replay.json, or a scenario; drawn above.",
            autocompletion=complete_scenario,
            show_default=False,
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="B",
            help="The other run, in the same forms; drawn below.",
            autocompletion=complete_scenario,
            show_default=False,
        ),
    ],
    out: OutOption = Path("out"),
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
) -> int:
    """Draw two runs in one picture, aligned where qvm begins to end.

    The command writes compare.svg and compare.png to OUT/A-and-B/.  The exit status does not depend
    on the verdicts.
    """
    from ..commands.compare import CompareRequest, compare_command  # noqa: PLC0415 - heavy

    return compare_command(CompareRequest((first, second), out, json))


@app.command("scenarios")
def _scenarios(json: JsonOption = False) -> int:
    """List the shipped scenarios with what each shows."""
    from ..commands.show import scenarios_command  # noqa: PLC0415 - keeps --help fast

    return scenarios_command(as_json=json)


@app.command("verify", epilog=exit_status.HELP)
def _verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAMES",
            help="Shipped scenarios or files; all shipped scenarios if left out.",
            autocompletion=complete_scenario,
            show_default=False,
        ),
    ] = None,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough",
            help="Also run each scenario with delays at the ends of their spans (slower).",
        ),
    ] = False,
    samples: Annotated[
        int, typer.Option(min=1, help="Timings that --thorough draws for each scenario.")
    ] = 16,
    jobs: JobsOption = 1,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
) -> int:
    """Compare the verdicts of scenarios with their expectations.

    The expectations stand in the [expect] table of a scenario file.

    Each scenario runs with the nominal timing.  With --thorough it also runs with every delay at
    its least and with every delay at its greatest.  In further drawn timings each delay takes one
    end of its span.  What a scenario expects to hold must hold in all of them; a violation that
    it expects must appear with the nominal timing.

    The exit status is 0 if every verdict is as expected, including an expected `violated`.
    """
    from ...resolve.library import words_of  # noqa: PLC0415 - heavy
    from ..commands.verify import VerifyRequest, verify_command  # noqa: PLC0415 - heavy

    drawn = samples if thorough else 0
    request = VerifyRequest(tuple(words_of(names or ())), drawn, jobs, thorough=thorough, json=json)
    return verify_command(request)


@app.command("assumptions")
def _assumptions(
    scenario: ScenarioArgument,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
) -> int:
    """Show the assumptions that a scenario rests on.

    For every span the list gives the evidence, for every open question the possible answers.

    An asterisk (*) marks answers that the scenario pins, a plus (+) values that it gives.
    """
    from ...resolve.library import one_word  # noqa: PLC0415 - heavy
    from ..commands.show import assumptions_command  # noqa: PLC0415 - heavy

    return assumptions_command(one_word(scenario), as_json=json)


@app.command("schema")
def _schema(
    verdicts: Annotated[
        bool,
        typer.Option("--verdicts", help="Print the schema of verdict.json and of --json instead."),
    ] = False,
    json: JsonOption = False,  # noqa: ARG001 - it is JSON in any case
) -> int:
    """Print the JSON Schema of scenario files.

    Editors use it to complete and check what you write.
    """
    from ..commands.show import schema_command  # noqa: PLC0415 - keeps --help fast

    return schema_command(of_verdicts=verdicts)
