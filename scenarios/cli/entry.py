"""The command line `quiesce`: what can be asked, and how every way to end is reported.

Commands import what they need when they are called, so that `--help` and completion stay fast.
"""

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import cast

import typer

from ...model.base.errors import InternalError, NothingToJudge, QuiesceError
from ..qvmconf.outside import start_of_call
from .options import configurations, reporting, running, searching  # noqa: F401 - they add their commands
from .options.app import app
from .output import exit_status
from .output.exit_status import BAD_INPUT, INTERNAL, INTERRUPTED, NOTHING_CHECKED
from .output.terminal import complain, say_error_json, styled

__all__ = ["app", "main"]

_UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""The base of all complaints about options; typer has no public name for it."""

_SIGINT_STATUS = 130
"""What typer makes of an interrupt."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; nothing but that status gets out.

    Args:
        arguments: Without the program's name; those of the process if left out.
    """
    start_of_call()
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
    if isinstance(error, NothingToJudge):
        complain(error, NOTHING_CHECKED, as_json=as_json)
        return NOTHING_CHECKED
    if isinstance(error, QuiesceError) and not isinstance(error, InternalError):
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
    """End quietly: the reader of standard output has closed the pipe, which is no error."""
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
