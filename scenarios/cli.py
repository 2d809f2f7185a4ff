"""The command line `quiesce`: what can be asked, and how every way to end is reported.

Commands import what they need when they are called, so that `--help` and completion stay fast.
"""

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from .. import __version__
from ..model.errors import QuiesceError
from . import exit_status
from .exit_status import BAD_INPUT, INTERNAL, INTERRUPTED
from .terminal import complain, say_error_json, styled

app = typer.Typer(
    name="quiesce",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=exit_status.HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""The base of all complaints about options; typer has no public name for it."""

_SIGINT_STATUS = 130
"""What typer makes of an interrupt."""


class TimingChoice(StrEnum):
    """How every delay is fixed at once."""

    NOMINAL = "nominal"
    EARLIEST = "earliest"
    LATEST = "latest"


def _complete_scenario(incomplete: str) -> list[str]:
    from .shipped import shipped_names  # noqa: PLC0415 - only the shell's completion needs it

    return [name for name in shipped_names() if name.startswith(incomplete)]


ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A scenario file, the name of a shipped scenario, or a .qvmconf file.",
        autocompletion=_complete_scenario,
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Write one JSON document to standard output instead.")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"quiesce {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _quiesce(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has done it
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Show whether the hardware of a dead QNX guest can still write memory or interrupt.

    Start with `quiesce scenarios`, then `quiesce run` one of them, or run your own .qvmconf.
    """
    if context.invoked_subcommand is None:
        sys.stderr.write(context.get_help() + "\n")
        raise typer.Exit(BAD_INPUT)


@app.command("run", epilog=exit_status.HELP)
def _run(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A scenario file, the name of a shipped scenario, or a .qvmconf file.",
            autocompletion=_complete_scenario,
            show_default=False,
        ),
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out"),
    timing: Annotated[
        TimingChoice | None,
        typer.Option(help="Fix every delay at its middle, its least or its greatest value."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draw delays and open questions at random instead.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Repeat the run of a replay.json; needs no scenario.")
    ] = None,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw no timing diagram.")] = False,
    json: JsonOption = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every bound and assumption.")
    ] = False,
) -> int:
    """Run a scenario once and judge it.

    Writes trace.jsonl, verdict.json, replay.json and the timing diagram to OUT/SCENARIO/.  One
    run shows what can happen, never that nothing else can.

    The exit status is 1 if a property is violated, whether or not the scenario expects that;
    `quiesce verify` compares with what is expected.
    """
    from .commands.run import RunRequest, run_command  # noqa: PLC0415 - heavy

    timing_word = timing.value if timing else ""
    request = RunRequest(
        scenario=scenario,
        out=out,
        timing=timing_word,
        seed=seed,
        replay=replay,
        plot=not no_plot,
        json=json,
        verbose=verbose,
    )
    return run_command(request)


@app.command("scenarios")
def _scenarios(json: JsonOption = False) -> int:
    """List the shipped scenarios."""
    from .commands.show import scenarios_command  # noqa: PLC0415 - keeps --help fast

    return scenarios_command(as_json=json)


@app.command("verify", epilog=exit_status.HELP)
def _verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAMES",
            help="Shipped scenarios or files; all shipped ones if left out.",
            autocompletion=_complete_scenario,
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Run scenarios and compare with what they expect.

    The exit status is 0 if every verdict is as expected, be it `violated`.
    """
    from .commands.verify import verify_command  # noqa: PLC0415 - heavy

    return verify_command(names or [], as_json=json)


@app.command("lint")
def _lint(
    configurations: Annotated[
        list[str], typer.Argument(metavar="CONF", help="Files of one `qvm` configuration.")
    ],
    safety: Annotated[
        bool, typer.Option("--safety", help="Apply the rules of the safety variant.")
    ] = False,
    iommu: Annotated[
        bool | None,
        typer.Option("--iommu/--no-iommu", help="Whether an IOMMU confines the devices."),
    ] = None,
    quiesced: Annotated[
        list[str] | None,
        typer.Option(help="A pass-through device that a vdev quiesces, such as mem:0xee080000."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Check a `qvm` configuration.

    Reports errors, and what is legal and yet unwise for a safe shutdown.

    Several files are read as one configuration, in the order given.  The exit status is 1 if
    a finding is an error, 4 if the configuration cannot be read.
    """
    from .commands.lint import lint_command  # noqa: PLC0415 - keeps --help fast

    return lint_command(
        configurations, safety=safety, iommu=iommu, quiesced=quiesced or [], as_json=json
    )


@app.command("discover")
def _discover(
    configurations: Annotated[
        list[str],
        typer.Argument(
            metavar="CONF", help="Files of one `qvm` configuration, or the name of a shipped one."
        ),
    ],
    form: Annotated[
        Literal["pci-tool", "lspci", "lspci-dump", "fdt", "mmio", "json"] | None,
        typer.Option("--as", help="What to show; pci-tool if neither this nor --guest is given."),
    ] = None,
    guest: Annotated[
        Literal["qnx", "linux"] | None,
        typer.Option(help="Show what this guest starts for each device and what then appears."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(help="Compare a driver's command line in the guest with the configuration."),
    ] = None,
    bus_scan_limit: Annotated[
        int | None,
        typer.Option(min=0, max=255, help="The highest PCI bus that the guest tries."),
    ] = None,
    numbering: Annotated[
        Literal["as-configured", "reversed"],
        typer.Option(help="How PCI vdevs get device numbers, which is not documented."),
    ] = "as-configured",
    dtb: Annotated[
        Path | None, typer.Option(help="Write the device tree of --as fdt as a binary, too.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Show how a guest finds its VIRTIO devices.

    On its PCI bus, by the address its driver is told, or by device tree.

    The exit status is 1 if the driver line of --check does not fit, 4 if the configuration cannot
    be used.
    """
    from .commands.discover import DiscoverRequest, discover_command  # noqa: PLC0415

    request = DiscoverRequest(
        files=configurations,
        form="json" if json else form or "",
        guest=guest or "",
        check=check,
        bus_scan_limit=bus_scan_limit,
        numbering=numbering,
        dtb=dtb,
    )
    return discover_command(request)


@app.command("assumptions")
def _assumptions(scenario: ScenarioArgument, json: JsonOption = False) -> int:
    """Show what a scenario takes for granted.

    Every span comes with its evidence, every open question with its answers.

    Pinned answers are marked with *, values given by the scenario with +.
    """
    from .commands.show import assumptions_command  # noqa: PLC0415 - heavy

    return assumptions_command(scenario, as_json=json)


@app.command("mutants")
def _mutants(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MUTANTS", help="M1 to M18; all if left out.", show_default=False),
    ] = None,
    score: Annotated[
        bool, typer.Option("--score", help="Run them and show which properties notice each.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """List the known ways in which a teardown goes wrong.

    With --score each is built into designs that are right, and the exit status is 1 if no
    property notices one.
    """
    from .commands.mutants import mutants_command  # noqa: PLC0415 - heavy

    return mutants_command(names or [], scores=score, as_json=json)


@app.command("schema")
def _schema(json: JsonOption = False) -> int:  # noqa: ARG001 - it is JSON in any case
    """Print the JSON Schema of scenario files."""
    from .commands.show import schema_command  # noqa: PLC0415 - keeps --help fast

    return schema_command()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; nothing but that status gets out.

    Args:
        arguments: Without the program's name; those of the process if left out.
    """
    words = [_text(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    as_json = "--json" in words
    try:
        status = app(args=words, prog_name="quiesce", standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:
        if isinstance(error, SystemExit):
            if not isinstance(error.__context__, BrokenPipeError):
                raise
            error = error.__context__
        return _reported(error, as_json)
    if status == _SIGINT_STATUS:
        return _interrupted(as_json)
    return status if isinstance(status, int) else exit_status.OK


def _text(word: str) -> str:
    """Return a word of the command line without bytes that are no text."""
    return word.encode(errors="backslashreplace").decode()


def _reported(error: BaseException, as_json: bool) -> int:
    """Tell the user about an error in its own way, and return its status."""
    if isinstance(error, QuiesceError):
        complain(error, BAD_INPUT, as_json=as_json)
        return BAD_INPUT
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return _interrupted(as_json)
    if isinstance(error, BrokenPipeError):
        return _reader_gone()
    if isinstance(error, _UsageError):
        return _misused(error, as_json)
    return _broken(error, as_json)


def _interrupted(as_json: bool) -> int:
    sys.stderr.write("interrupted; nothing was left half written\n")
    if as_json:
        say_error_json("Interrupted", "interrupted", INTERRUPTED)
    return INTERRUPTED


def _misused(error: Exception, as_json: bool) -> int:
    """Report a wrong option or argument, with the way to help."""
    message = str(getattr(error, "format_message", error.__str__)())
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "quiesce"
    lead = styled("error:", "red", sys.stderr)
    sys.stderr.write(f"{lead} {message}\ntry '{command} --help'\n")
    if as_json:
        say_error_json("UsageError", message, BAD_INPUT)
    return BAD_INPUT


def _reader_gone() -> int:
    """Whoever read our output has enough; that is no error."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - until exit
    return exit_status.OK


def _broken(error: BaseException, as_json: bool) -> int:
    """Report a bug of ours in one line, and keep its traceback."""
    text = "".join(traceback.format_exception(error))
    message = f"internal error: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if os.environ.get("QUIESCE_DEBUG"):
        sys.stderr.write(text)
        where = "this is a bug of quiesce"
    else:
        handle, name = tempfile.mkstemp(prefix="quiesce-traceback-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        where = f"this is a bug of quiesce; the traceback is in {name}"
    sys.stderr.write(f"{message}; {where}\n")
    if as_json:
        say_error_json("InternalError", message, INTERNAL)
    return INTERNAL
