"""`quiesce mutants`: the ways to go wrong, and whether the properties notice each."""

from ....model.base.errors import Place, ScenarioError
from ...format.schema_check import unknown_word
from ...mutants.designs import CLASSES, EXITS
from ...mutants.mutant_scores import CONTROLS, Control, ControlScore, Score
from ...mutants.mutant_suite import ScoredSuite, score_mutants
from ...mutants.mutants import BY_NAME, MUTANTS, Mutant
from ..output.exit_status import OK, VIOLATED
from ..output.terminal import say, say_json, say_rows

_STYLES = {
    "killed": "green",
    "passes": "green",
    "needed": "green",
    "SURVIVES": "red",
    "FAILS": "red",
    "NOT NEEDED": "red",
}


def mutants_command(names: list[str], *, is_scored: bool, jobs: int, as_json: bool) -> int:
    """List mutants or score them; scored, a survivor or a control that fails is a failure.

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
    if not is_scored:
        _list(chosen, as_json=as_json)
        return OK
    suite = score_mutants(chosen, jobs)
    if as_json:
        document: dict[str, object] = {"mutants": suite.scores, "survivors": suite.survivors}
        if suite.is_whole:
            document |= {"properties": suite.sole_killers, "controls": suite.controls}
        say_json(document)
    else:
        _print_text(suite)
    return VIOLATED if suite.survivors or suite.condemned_controls else OK


def _list(chosen: list[Mutant], *, as_json: bool) -> None:
    if as_json:
        rows = {
            mutant.name: {
                "pattern": mutant.pattern,
                "bugs": mutant.bugs,
                "cases": [{"design": case.design, "face": case.face} for case in mutant.cases],
                "not_tried": mutant.not_tried,
            }
            for mutant in chosen
        }
        say_json({"mutants": rows})
    else:
        say_rows([(mutant.name, f"{mutant.pattern} ({mutant.bugs})") for mutant in chosen])


def _print_text(suite: ScoredSuite) -> None:
    found, needed, controls = suite.scores, suite.sole_killers, suite.controls
    rows: list[tuple[str, str, str]] = []
    for mutant in suite.mutants:
        result = found[mutant.name]
        fate = "killed" if result.is_killed else "SURVIVES"
        rows.append((mutant.name, fate, f"{mutant.pattern}; {result.runs} runs"))
        rows += [("", "", line) for line in _lines(result)]
    say_rows(rows, _STYLES)
    killed = sum(result.is_killed for result in found.values())
    runs = sum(result.runs for result in found.values())
    if needed:
        say()
        say_rows([_need(name, cases) for name, cases in needed.items()], _STYLES)
        say()
        say_rows([_control(one, controls[one.name]) for one in CONTROLS], _STYLES)
        say()
        say("Classes: " + "; ".join(f"{name}, {one.summary}" for name, one in CLASSES.items()))
        say("Exits: " + "; ".join(f"{name}, {meaning}" for name, meaning in EXITS.items()))
    say()
    say(f"{killed} of {len(suite.mutants)} killed, in {runs} runs")


def _lines(result: Score) -> list[str]:
    """Return what became of a mutant; classes and exits with the same outcome together."""
    exits: dict[tuple[str, str, str], list[str]] = {}
    for case in result.cases:
        place, exit_ = case.design.rsplit("/", maxsplit=1)
        by = ", ".join(case.killed_by) or "no property notices"
        exits.setdefault((place, case.face, by), []).append(exit_)
    places: dict[tuple[str, str, str], list[str]] = {}
    for (place, face, by), when in exits.items():
        places.setdefault((", ".join(when), face, by), []).append(place)
    lines = [
        f"{', '.join(classes)} at {when}{f' ({face})' if face else ''}: {by}"
        for (when, face, by), classes in places.items()
    ]
    lines += [
        f"{case.design} was given up in a run, which shows nothing: {reason}"
        for case in result.cases
        for reason in case.given_up
    ]
    lines += [f"not {where}: {why}" for where, why in result.not_tried.items()]
    return lines


def _need(name: str, cases: tuple[str, ...]) -> tuple[str, str, str]:
    if not cases:
        return name, "NOT NEEDED", "no case that it alone notices"
    return name, "needed", f"alone in {len(cases)} cases, the first {cases[0]}"


def _control(control: Control, found: ControlScore) -> tuple[str, str, str]:
    fate = "passes" if found.passes else "FAILS"
    condemned = f"; condemned by {', '.join(found.violated)}" if found.violated else ""
    shown = f"came about in {found.shown_in} of {found.runs} runs"
    given_up = f"; {found.given_up} runs were given up" if found.given_up else ""
    return control.name, fate, f"{control.meaning}: {shown}{condemned}{given_up}"
