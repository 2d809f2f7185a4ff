"""`quiesce scenarios`, `assumptions` and `schema`: what there is, without running anything."""

from ....model.trace.events import Assumption
from ....reports.verdict_file import verdict_schema
from ...format.loader import load
from ...format.schema import json_schema
from ...format.shipped import shipped_files
from ...resolve.library import resolved
from ..output.exit_status import BAD_INPUT, OK
from ..output.terminal import say, say_json, say_rows, styled


def scenarios_command(*, as_json: bool) -> int:
    """List the shipped scenarios with what each is about."""
    listed = [(file.stem, load(file).scenario.description) for file in shipped_files()]
    if as_json:
        documents = [{"name": name, "description": text} for name, text in listed]
        say_json({"scenarios": documents})
    elif listed:
        say_rows(listed, {name: "bold" for name, _ in listed})
    else:
        say("No scenarios are shipped with this installation.")
        return BAD_INPUT
    return OK


def assumptions_command(word: str, *, as_json: bool) -> int:
    """Show what a scenario rests on."""
    from ....model.machine.assumptions import assumptions_of  # noqa: PLC0415

    scenario = resolved(word)
    assumptions = (*scenario.assumptions, *assumptions_of(scenario.plan))
    if as_json:
        listed = [
            {"name": each.name, "value": each.value, "basis": each.basis, "set": is_set(each)}
            for each in assumptions
        ]
        say_json({"scenario": scenario.plan.name, "assumptions": listed})
        return OK
    say(f"{scenario.plan.name}: what a run takes for granted")
    for each in assumptions:
        mark = {"pinned": "* ", "given": "+ "}.get(is_set(each), "  ")
        say(f"{mark}{styled(each.name, 'bold')} = {each.value}", hang=4)
        say(each.basis, indent=4)
    return OK


def is_set(assumption: Assumption) -> str:
    """Return `pinned` or `given` for what the scenario itself says, otherwise an empty string."""
    word = assumption.basis.split(" ", 1)[0]
    return word if word in ("pinned", "given") else ""


def schema_command(*, of_verdicts: bool = False) -> int:
    """Print the JSON Schema of scenario files, or of what commands write about verdicts."""
    say_json(verdict_schema() if of_verdicts else json_schema())
    return OK
