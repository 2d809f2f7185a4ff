"""The application `quiesce` and the options that several of its commands have."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .... import __version__
from ..output import exit_status
from ..output.exit_status import BAD_INPUT

app = typer.Typer(
    name="quiesce",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=exit_status.HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def complete_scenario(incomplete: str) -> list[str]:
    """Return the shipped scenarios whose names begin with a text, for the shell's completion."""
    from ...format.shipped import shipped_names  # noqa: PLC0415 - only the shell's completion needs it

    return [name for name in shipped_names() if name.startswith(incomplete)]


def _define(values: list[str] | None) -> list[str] | None:
    """Take the values of placeholders, for every configuration that this call reads."""
    from ...qvmconf.outside import define  # noqa: PLC0415 - keeps --help fast

    pairs = [value.partition("=") for value in values or []]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise typer.BadParameter(f"{name or values!r} has no value; write NAME=VALUE")
    if pairs:
        define({name: value for name, _, value in pairs})
    return values


DefineOption = Annotated[
    list[str] | None,
    typer.Option(
        "--define",
        metavar="NAME=VALUE",
        callback=_define,
        help="Fill in a placeholder of a configuration, such as @NAME@ or ${NAME}; may be given "
        "several times.",
        show_default=False,
    ),
]

ScenarioArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SCENARIO",
        help="A scenario file, the name of a shipped scenario, or .qvmconf files of one machine; "
        "- is standard input.",
        autocompletion=complete_scenario,
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Write one JSON document to standard output instead of text.")
]
OutOption = Annotated[Path, typer.Option(help="Folder in which to write the results.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print every bound and assumption as well.")
]
JobsOption = Annotated[int, typer.Option(min=1, max=256, help="Processes to run in parallel.")]

NoPlotOption = Annotated[bool, typer.Option("--no-plot", help="Draw no pictures, which is faster.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"quiesce {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _quiesce(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has done it
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Show whether the hardware of a dead QNX guest can still write memory or interrupt.

    Start with `quiesce scenarios`, then `quiesce run` one of them, or run your own .qvmconf.
    """
    if context.invoked_subcommand is None:
        sys.stderr.write(context.get_help() + "\n")
        raise typer.Exit(BAD_INPUT)
