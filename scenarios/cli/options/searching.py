"""Commands that search many runs of a scenario for violations."""

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
)


@app.command("fuzz", epilog=exit_status.HELP)
def _fuzz(  # noqa: PLR0913, PLR0917 - one for each option
    scenario: ScenarioArgument,
    examples: Annotated[
        int | None, typer.Option(min=1, help="Runs to draw; 1000 if --seconds is not given.")
    ] = None,
    seconds: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many seconds.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other runs.")] = 0,
    jobs: JobsOption = 1,
    out: OutOption = Path("out"),
    fixed_end: Annotated[
        bool,
        typer.Option(
            "--fixed-end", help="Do not draw when the guest dies; keep the scenario's instant."
        ),
    ] = False,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Neither read nor write the results of earlier campaigns."),
    ] = False,
    no_plot: NoPlotOption = False,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Search a scenario for violations by drawing many runs.

    The search draws delays, answers to open questions and instants of death, with a preference for
    the ends of their spans.  It shortens the worst violation that it finds to a small
    counterexample, and writes that with its replay to OUT/SCENARIO/fuzz/.

    A campaign with the same seed continues where the last one stopped.
    """
    from ...resolve.library import one_word  # noqa: PLC0415 - heavy
    from ...run.fuzz_campaign import FuzzRequest  # noqa: PLC0415 - heavy
    from ..commands.fuzz import fuzz_command  # noqa: PLC0415 - heavy

    request = FuzzRequest(
        scenario=one_word(scenario),
        out=out,
        examples=examples,
        seconds=seconds,
        seed=seed,
        jobs=jobs,
        fixed_end=fixed_end,
        forget=forget,
        plot=not no_plot,
    )
    return fuzz_command(request, as_json=json, verbose=verbose)


@app.command("sweep", epilog=exit_status.HELP)
def _sweep(
    scenario: ScenarioArgument,
    cause: Annotated[
        list[str] | None,
        typer.Option(
            help="How the VM ends: a termination cause or `all`; may be given several times.  The "
            "scenario's own cause if left out."
        ),
    ] = None,
    until: Annotated[
        str,
        typer.Option(
            help="The last instant of death, such as 2ms; the end of the run if left out."
        ),
    ] = "",
    jobs: JobsOption = 1,
    out: OutOption = Path("out"),
    no_plot: NoPlotOption = False,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Let the guest die at every crash point; map unsafe instants.

    A crash point lies in every gap between two events and in every order of the events of one
    instant.  All delays have the middle of their spans.  The command writes the unsafe windows to
    OUT/SCENARIO/sweep/.
    """
    from ...resolve.library import one_word  # noqa: PLC0415 - heavy
    from ...run.crash_sweep import SweepRequest  # noqa: PLC0415 - heavy
    from ..commands.sweep import sweep_command  # noqa: PLC0415 - heavy

    request = SweepRequest(
        scenario=one_word(scenario),
        causes=tuple(cause or ()),
        until=until,
        jobs=jobs,
        out=out,
        plot=not no_plot,
    )
    return sweep_command(request, as_json=json, verbose=verbose)


@app.command("mutants")
def _mutants(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MUTANTS", help="M1 to M18; all if left out.", show_default=False),
    ] = None,
    score: Annotated[
        bool,
        typer.Option(
            "--score", help="Run the mutants and show which properties notice each (minutes)."
        ),
    ] = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> int:
    """List the mutants: known ways in which a teardown goes wrong.

    With --score the command builds each mutant into correct designs, for several classes of devices
    and exits, and checks that a property notices it.

    The exit status is then 1 if no property notices a mutant, or a property reports a violation in
    a harmless design.
    """
    from ..commands.mutants import mutants_command  # noqa: PLC0415 - heavy

    return mutants_command(names or [], is_scored=score, jobs=jobs, as_json=json)


PropertiesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        help="Prove this property; may be given several times.  All properties of a teardown "
        "if left out.",
    ),
]
BudgetsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        help="Also find how long a wait may take before a property fails: a span of [timing], "
        "DEVICE.STEP of a quiesce procedure, or `all`.",
    ),
]


@app.command("prove", epilog=exit_status.HELP)
def _prove(  # noqa: PLR0913, PLR0917 - one for each option
    scenario: ScenarioArgument,
    properties: PropertiesOption = None,
    any_instant: Annotated[
        bool,
        typer.Option(
            "--any-instant",
            help="Let the VM end at any instant, and not only as the scenario has it.",
        ),
    ] = False,
    max_states: Annotated[
        int, typer.Option(min=1, help="Give up after this many symbolic states.")
    ] = 1_000_000,
    seconds: Annotated[
        int | None, typer.Option(min=1, help="Give up after this many seconds.")
    ] = None,
    windows: Annotated[
        bool,
        typer.Option(
            "--windows", help="Also map the instants at which an end of the VM is unsafe."
        ),
    ] = False,
    budget: BudgetsOption = None,
    no_slicing: Annotated[
        bool,
        typer.Option(
            "--no-slicing",
            help="Explore the whole system as one state space, even where parts are independent "
            "(slower; for cross-checks).",
        ),
    ] = False,
    jobs: JobsOption = 1,
    out: OutOption = Path("out"),
    no_plot: NoPlotOption = False,
    define: DefineOption = None,  # noqa: ARG001 - its callback has done it
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Judge every run of a scenario: every timing, order and answer.

    A run takes one timing inside the spans, one order of simultaneous events and one answer to each
    open question.

    The result is one of three: all runs hold, with the exact margins; a counterexample with the
    fewest events; or inconclusive, if the proof reaches a limit.  The command writes to
    OUT/SCENARIO/prove/.
    """
    from ...prove.prove_scenario import ProveRequest  # noqa: PLC0415 - heavy
    from ...resolve.library import one_word  # noqa: PLC0415 - heavy
    from ..commands.prove import prove_command  # noqa: PLC0415 - heavy

    request = ProveRequest(
        scenario=one_word(scenario),
        properties=tuple(properties or ()),
        any_instant=any_instant,
        classes_max=max_states,
        seconds=seconds,
        windows=windows,
        budgets=tuple(budget or ()),
        no_slicing=no_slicing,
        jobs=jobs,
        out=out,
        plot=not no_plot,
    )
    return prove_command(request, as_json=json, verbose=verbose)
