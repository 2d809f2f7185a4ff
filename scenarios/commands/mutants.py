"""`quiesce mutants`: the ways to go wrong, and whether the properties notice each."""

from ...model.errors import Place, ScenarioError
from ..exit_status import OK, VIOLATED
from ..mutants import BY_NAME, MUTANTS, Mutant, Score, score
from ..shape import unknown_word
from ..terminal import say, say_json, say_rows


def mutants_command(names: list[str], *, scores: bool, as_json: bool) -> int:
    """List mutants or score them; scored, a survivor is a failure.

    Raises:
        ScenarioError: If a name is unknown.
    """
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        place = Place("MUTANTS")
        raise ScenarioError(
            [unknown_word(place, "mutant", word, list(BY_NAME)) for word in unknown]
        )
    chosen = [BY_NAME[name] for name in names] or list(MUTANTS)
    if not scores:
        _list(chosen, as_json=as_json)
        return OK
    found = {mutant.name: score(mutant) for mutant in chosen}
    survivors = [name for name, result in found.items() if not result.killed_by]
    if as_json:
        say_json({"mutants": found, "survivors": survivors})
    else:
        _tell(chosen, found, survivors)
    return VIOLATED if survivors else OK


def _list(chosen: list[Mutant], *, as_json: bool) -> None:
    if as_json:
        rows = {mutant.name: {"pattern": mutant.pattern, "bugs": mutant.bugs} for mutant in chosen}
        say_json({"mutants": rows})
    else:
        say_rows([(mutant.name, f"{mutant.pattern} ({mutant.bugs})") for mutant in chosen])


def _tell(chosen: list[Mutant], found: dict[str, Score], survivors: list[str]) -> None:
    rows = []
    for mutant in chosen:
        result = found[mutant.name]
        fate = "killed" if result.killed_by else "SURVIVES"
        killers = ", ".join(result.killed_by) or "no property notices"
        designs = f"in {len(result.killed_in)} of {len(mutant.changes)} designs"
        rows.append(
            (mutant.name, fate, f"{mutant.pattern}: {designs}, {result.runs} runs; {killers}")
        )
    say_rows(rows, {"killed": "green", "SURVIVES": "red"})
    say()
    say(f"{len(chosen) - len(survivors)} of {len(chosen)} killed")
