"""Compares the answers of two versions of the prover about models drawn at random.

    python benchmarks/checks/engines.py --against CHECKOUT [--models N] [--seed S]

CHECKOUT is another checkout of the project, such as `git worktree add DIR COMMIT` makes.  Both
versions prove the same models through the public door, `quiesce.scenarios.dense`, as a whole and in
parts: verdict, bounds of a distance, margin, unsafe windows and the budget of a wait.  Prints how
many answers agree and each one that does not; exit status 1 if there is any.

    python benchmarks/checks/engines.py --print [--models N] [--seed S]

prints the answers of this version, one JSON array a line.
"""

import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOORS = ("quiesce.scenarios.prove.dense", "quiesce.scenarios.dense")
"""Where the door stands, in one version or another."""

SECONDS = 20
"""Bound on a search; the answer of a longer one is not compared."""


def drawn(seed: int) -> list[list[dict[str, Any]]]:
    """Return a program for each of two or three actors (`tests/dense/small_models.py`)."""
    dice = random.Random(seed)
    return [
        [_act(dice) for _ in range(dice.randint(2, 4))] + [{"kind": "say"}]
        for _ in range(dice.randint(2, 3))
    ]


def _act(dice: random.Random) -> dict[str, Any]:
    kind = dice.choice(["wait", "wait", "say", "poke", "skip", "race", "await", "ask"])
    act: dict[str, Any] = {"kind": kind}
    if kind in {"poke", "skip"}:
        act |= {"other": dice.randint(0, 2), "value": dice.randint(0, 1)}
    if kind in {"wait", "race", "await"}:
        act["first"] = _span(dice)
    if kind == "race":
        act["second"] = _span(dice)
    if kind == "await":
        act["value"] = dice.randint(0, 1)
    return act


def _span(dice: random.Random) -> tuple[int, int]:
    least = dice.randint(0, 3)
    return least, least + dice.randint(0, 2)


def answers(seed: int, door: Any) -> dict[str, Any]:
    """Return what the prover says of one model, by question."""
    models = importlib.import_module("tests.dense.small_models")
    acts = [[models.Act(**act) for act in program] for program in drawn(seed)]
    play = models.Play(tuple(map(tuple, acts)))
    found: dict[str, Any] = {}
    refusals = (AssertionError, door.NoSuchWaitError.__base__)
    for in_parts in (False, True):
        how = {"in_parts": in_parts, "seconds": SECONDS}
        for name, ask in QUESTIONS.items():
            try:
                answer = ask(door, models, play, how)
            except refusals as error:
                answer = f"{type(error).__name__}: {error}"
            found[f"{name}, {'parts' if in_parts else 'whole'}"] = answer
    return found


def _verdict(door: Any, models: Any, play: Any, how: dict[str, Any]) -> Any:
    return door.prove(play, [models.claim], **how).verdict


def _bounds(door: Any, models: Any, play: Any, how: dict[str, Any]) -> Any:
    distances = door.prove(play, [], [models.distance], **how).distances.values()
    return [(shortest.ns, longest.ns) for shortest, longest in distances]


def _margin(door: Any, models: Any, play: Any, how: dict[str, Any]) -> Any:
    return [(each.ns, each.is_exact) for each in door.margins(play, [models.claim], **how)]


def _windows(door: Any, models: Any, play: Any, how: dict[str, Any]) -> Any:
    found = door.windows(play, [models.claim], models.moments(), **how)
    return [found.verdict, found.by_moment]


def _budget(door: Any, models: Any, play: Any, how: dict[str, Any]) -> Any:
    try:
        budget = door.budget(play, [models.claim], "a.wait", **how)
    except door.NoSuchWaitError:
        return []
    return [budget.verdict, budget.largest_ns, budget.limit is not None]


QUESTIONS = {
    "verdict": _verdict,
    "bounds": _bounds,
    "margin": _margin,
    "windows": _windows,
    "budget": _budget,
}


def printed(models: int, first: int, door: str) -> None:
    """Print the answers of this version."""
    sys.path.insert(0, str(Path.cwd()))
    module = importlib.import_module(door or _door())
    for seed in range(first, first + models):
        print(json.dumps([seed, answers(seed, module)]), flush=True)


def _door() -> str:
    return next(name for name in DOORS if importlib.util.find_spec(name.rpartition(".")[0]))


def answers_of(checkout: Path, models: int, seed: int, door: str) -> "subprocess.Popen[str]":
    """Start the other version, or this one, on the models."""
    command = [sys.executable, str(Path(__file__).resolve()), "--print"]
    command += ["--models", str(models), "--seed", str(seed), "--door", door]
    environment = os.environ | {"PYTHONPATH": str(checkout / ".src")}
    return subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True
    )


def main() -> int:
    """Compare all models and print the disagreements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first model")
    parser.add_argument("--print", action="store_true", help="print the answers of this version")
    parser.add_argument("--door", default="", help="another module to ask")
    options = parser.parse_args()
    if options.print or options.against is None:
        printed(options.models, options.seed, options.door)
        return 0
    ours = answers_of(ROOT, options.models, options.seed, options.door)
    theirs = answers_of(options.against, options.models, options.seed, "")
    assert ours.stdout is not None
    assert theirs.stdout is not None
    agreed: Counter[str] = Counter()
    differ = 0
    for our_line, their_line in zip(ours.stdout, theirs.stdout, strict=True):
        seed, mine = json.loads(our_line)
        _, other = json.loads(their_line)
        for question, answer in mine.items():
            if answer == other[question]:
                agreed[question] += 1
            else:
                differ += 1
                print(f"model {seed}, {question}: {answer} here, {other[question]} there")
    for question, count in agreed.items():
        print(f"{question:<16} {count} of {options.models} agree")
    return int(bool(differ) or ours.wait() != 0 or theirs.wait() != 0)


if __name__ == "__main__":
    sys.exit(main())
