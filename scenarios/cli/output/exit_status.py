"""What the command line's exit status means."""

from ....properties.core.verdict import Word

OK = 0
"""Everything holds, or is as expected."""

VIOLATED = 1
"""A property is violated, or something is not as expected."""

INTERRUPTED = 2
"""The user stopped it."""

INTERNAL = 3
"""A bug of quiesce."""

BAD_INPUT = 4
"""A file or an option that cannot be used."""

NOTHING_CHECKED = 5
"""Something was not put to the test, or not to the end."""

HELP = """Exit status: 0 everything holds or is as expected; 1 a property is violated or not as
expected; 2 interrupted; 3 internal error; 4 bad input; 5 something was not put to the test, or is
undecided."""

OF_VERDICT: dict[Word, int] = {
    "holds": OK,
    "violated": VIOLATED,
    "vacuous": NOTHING_CHECKED,
    "inconclusive": NOTHING_CHECKED,
}
"""The status of a run, by the word of its judgement."""
