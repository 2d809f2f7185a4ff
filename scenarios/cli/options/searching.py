"""Commands that look for violations in many runs."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import exit_status
from .app import JobsOption, JsonOption, OutOption, ScenarioArgument, VerboseOption, app


@app.command("fuzz", epilog=exit_status.HELP)
def _fuzz(  # noqa: PLR0913, PLR0917 - one for each option
    scenario: ScenarioArgument,
    examples: Annotated[
        int | None, typer.Option(min=1, help="How many runs; 1000 without --seconds.")
    ] = None,
    seconds: Annotated[int | None, typer.Option(min=1, help="Stop after so long.")] = None,
    seed: Annotated[int, typer.Option(help="Other seeds make other runs.")] = 0,
    jobs: JobsOption = 1,
    out: OutOption = Path("out"),
    fixed_end: Annotated[
        bool, typer.Option("--fixed-end", help="Leave the instant of death as it is.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Neither use nor keep what earlier campaigns found.")
    ] = False,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw no timing diagram.")] = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Search a scenario for violations by drawing many runs.

    Delays, open questions and instants of death are drawn, leaning to the ends of their spans.
    The worst finding is made small and written to OUT/SCENARIO/fuzz/ with its replay.

    A campaign with the same seed goes on where it was stopped.
    """
    from ...run.fuzz_campaign import FuzzRequest  # noqa: PLC0415 - heavy
    from ..commands.fuzz import fuzz_command  # noqa: PLC0415 - heavy

    request = FuzzRequest(
        scenario=scenario,
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
        typer.Option(help="A termination cause, or `all`; the scenario's own if left out."),
    ] = None,
    until: Annotated[
        str, typer.Option(help="The last instant of death, such as 2ms; the end of the run else.")
    ] = "",
    jobs: JobsOption = 1,
    out: OutOption = Path("out"),
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw no picture.")] = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Let the guest die at every crash point of a scenario.

    In every gap between two events and in every order of events at the same instant, with all
    delays at their middle.  Writes the unsafe windows to OUT/SCENARIO/sweep/.
    """
    from ...run.crash_sweep import SweepRequest  # noqa: PLC0415 - heavy
    from ..commands.sweep import sweep_command  # noqa: PLC0415 - heavy

    request = SweepRequest(
        scenario=scenario,
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
        bool, typer.Option("--score", help="Run them and show which properties notice each.")
    ] = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> int:
    """List the known ways in which a teardown goes wrong.

    With --score each is built into designs that are right, in several classes of devices and
    exits; the exit status is 1 if one of them is not noticed, or something harmless is condemned.
    """
    from ..commands.mutants import mutants_command  # noqa: PLC0415 - heavy

    return mutants_command(names or [], is_scored=score, jobs=jobs, as_json=json)


@app.command("prove", epilog=exit_status.HELP)
def _prove(  # noqa: PLR0913, PLR0917 - one for each option
    scenario: ScenarioArgument,
    properties: Annotated[
        list[str] | None,
        typer.Option("--property", help="A property; all of a teardown if left out."),
    ] = None,
    any_instant: Annotated[
        bool, typer.Option("--any-instant", help="Let the end come at any instant whatever.")
    ] = False,
    max_states: Annotated[
        int, typer.Option(min=1, help="Give up after so many classes of states.")
    ] = 1_000_000,
    seconds: Annotated[int | None, typer.Option(min=1, help="Give up after so long.")] = None,
    windows: Annotated[
        bool, typer.Option("--windows", help="Map the instants of its end that are unsafe.")
    ] = False,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            help="How long a wait may take: a span of [timing], DEVICE.STEP of a quiesce "
            "procedure, or `all`.",
        ),
    ] = None,
    no_slicing: Annotated[
        bool,
        typer.Option(
            "--no-slicing", help="Explore devices that have nothing to do with each other together."
        ),
    ] = False,
    jobs: JobsOption = 1,
    out: OutOption = Path("out"),
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw no pictures.")] = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Judge every run of a scenario: every timing inside its spans, every order, every answer.

    Either all of them are covered, with the exact margins, or there is a counterexample with the
    fewest events, or the verdict is inconclusive.  Writes to OUT/SCENARIO/prove/.
    """
    from ...prove.prove_scenario import ProveRequest  # noqa: PLC0415 - heavy
    from ..commands.prove import prove_command  # noqa: PLC0415 - heavy

    request = ProveRequest(
        scenario=scenario,
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
