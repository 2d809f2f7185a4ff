"""How an evidence pack combines the verdicts of several methods, and reports a change."""

import re

import msgspec
import pytest

from quiesce.model.trace.events import Assumption
from quiesce.properties.core.verdict import Judgement, Verdict, Violation, Word
from quiesce.reports.evidence.difference import differences
from quiesce.reports.evidence.pack import (
    VERSION,
    MeasuredDistance,
    Method,
    MutantScore,
    Pack,
    Requirement,
    ScenarioEvidence,
    Window,
    cell,
    requirements_of,
    status,
)
from quiesce.reports.evidence.page import page

DMA, IRQ = "no-dma-after-teardown", "no-irq-after-teardown"


def judged(label: str, **words: Word) -> Judgement:
    verdicts = []
    for name, word in words.items():
        broken = (Violation(3, 7, "late", "stray"),) if word == "violated" else ()
        verdicts.append(
            Verdict(
                property=name.replace("_", "-"),
                verdict=word,
                severity="stray" if broken else "none",
                antecedents=int(word in ("holds", "violated")),
                reason=f"{word} by {label}",
                violations=broken,
                violation_count=len(broken),
            )
        )
    return Judgement(
        scenario="crash",
        label=label,
        bounds=("as far as this",),
        assumptions=(Assumption("pcie_posted_write", "100ns..1us", "assumed: half a round trip"),),
        verdicts=tuple(verdicts),
    )


def scenario(*judgements: Judgement, name: str = "crash") -> ScenarioEvidence:
    methods = tuple(Method(f"quiesce run {name}", each) for each in judgements)
    return ScenarioEvidence(name, "The guest crashes.", {"a.toml": "ab"}, "cd", {}, methods)


def pack(*scenarios: ScenarioEvidence, **changes: object) -> Pack:
    one = Pack(VERSION, {"quiesce": "1"}, requirements_of([DMA, IRQ]), scenarios)
    return msgspec.structs.replace(one, **changes)


@pytest.mark.parametrize(
    ("words", "word", "label"),
    [
        ([("run", "holds"), ("sampled(9)", "holds")], "holds", "sampled(9)"),
        ([("run", "holds"), ("proved(dense time)", "holds")], "holds", "proved(dense time)"),
        ([("proved(dense time)", "holds"), ("run", "violated")], "violated", "run"),
        ([("run", "vacuous"), ("sampled(9)", "holds")], "holds", "sampled(9)"),
        ([("run", "vacuous"), ("sampled(9)", "vacuous")], "vacuous", "sampled(9)"),
        (
            [("sampled(9)", "holds"), ("searched(dense time, cut short)", "inconclusive")],
            "holds",
            "sampled(9)",
        ),
        (
            [("run", "vacuous"), ("searched(dense time, cut short)", "inconclusive")],
            "vacuous",
            "run",
        ),
        ([("run", "inconclusive")], "inconclusive", "run"),
    ],
)
def test_the_strongest_method_that_came_to_the_word_gives_its_label(
    words: list[tuple[str, Word]], word: Word, label: str
) -> None:
    judgements = [judged(each, **{DMA.replace("-", "_"): found}) for each, found in words]
    found = cell(scenario(*judgements), DMA)
    assert found is not None
    assert (found.verdict, found.label) == (word, label)


def test_a_property_that_no_method_judged_has_no_word() -> None:
    assert cell(scenario(judged("run", no_dma_after_teardown="holds")), IRQ) is None


@pytest.mark.parametrize(
    ("dma", "irq", "word"),
    [
        ("holds", "holds", "shown"),
        ("holds", "vacuous", "shown"),
        ("vacuous", "vacuous", "not exercised"),
        ("holds", "violated", "not shown"),
        ("holds", "inconclusive", "open"),
    ],
)
def test_a_requirement_stands_as_its_weakest_property_does(dma: Word, irq: Word, word: str) -> None:
    both = Requirement("SR-1", "nothing late", "the customer", (DMA, IRQ))
    found = status(
        scenario(judged("run", no_dma_after_teardown=dma, no_irq_after_teardown=irq)), both
    )
    assert found.word == word


def test_a_requirement_is_open_where_a_property_of_it_was_not_judged() -> None:
    both = Requirement("SR-1", "nothing late", "", (DMA, IRQ))
    assert status(scenario(judged("run", no_dma_after_teardown="holds")), both).word == "open"


def test_the_page_shows_names_of_the_user_as_text() -> None:
    evil = "<script>alert(1)</script>"
    one = msgspec.structs.replace(
        scenario(judged("run", no_dma_after_teardown="violated"), name=evil), why=f"{evil} wrote"
    )
    text = page(pack(one, mutants=(MutantScore("M1", (), 3),))).decode()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; wrote" in text


def test_the_page_has_every_number_that_the_data_has() -> None:
    one = msgspec.structs.replace(
        scenario(judged("proved(dense time)", no_dma_after_teardown="holds")),
        distances=(MeasuredDistance("last write to release", 1_234, 56_789),),
        windows=(Window("guest-crash", 1_000, 2_500, "stray"),),
    )
    text = page(
        pack(one, mutants=(MutantScore("M1", (DMA,), 3), MutantScore("M2", (), 4)))
    ).decode()
    for word in ("1.234us", "56.789us", "1us", "2.5us", "survives", "1 of 2 are noticed", "half a"):
        assert word in text
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links <= set(re.findall(r'id="([^"]+)"', text))


def test_equal_packs_have_no_difference() -> None:
    one = pack(scenario(judged("run", no_dma_after_teardown="holds")))
    assert differences(one, one) == []


def test_what_has_changed_is_reported_one_by_one() -> None:
    old = scenario(judged("sampled(9)", no_dma_after_teardown="violated"))
    new = msgspec.structs.replace(
        scenario(judged("proved(dense time)", no_dma_after_teardown="holds")),
        distances=(MeasuredDistance("margin", 5, 9),),
        windows=(Window("guest-crash", 1, 2, "stray"),),
        inputs={"a.toml": "ef"},
    )
    lines = differences(
        pack(old, mutants=(MutantScore("M1", (DMA,), 3),)),
        pack(
            new,
            tools={"quiesce": "2"},
            mutants=(MutantScore("M1", (), 3),),
            requirements=requirements_of([DMA]),
        ),
    )
    lines_in_words = [f"{where}: {what}" for where, what in lines]
    assert lines_in_words[0] == "tools: quiesce: 1 -> 2"
    assert "crash: input a.toml: ab -> ef" in lines_in_words
    change = "violated [sampled(9)] -> holds [proved(dense time)]"
    assert f"crash: no-dma-after-teardown: {change}" in lines_in_words
    assert "crash: distance margin is new: 5ns to 9ns" in lines_in_words
    assert "crash: guest-crash is now unsafe (stray) from 1ns to 2ns" in lines_in_words
    assert f"mutants noticed by: M1: {DMA} -> no property" in lines_in_words
    assert [line for line in lines_in_words if line.startswith(f"requirements: {IRQ} is gone")]


def test_a_changed_assumption_is_a_difference() -> None:
    before = scenario(judged("run", no_dma_after_teardown="holds"))
    judgement = msgspec.structs.replace(
        before.methods[0].judgement,
        assumptions=(Assumption("pcie_posted_write", "100ns..2us", "measured: our board"),),
    )
    lines = differences(pack(before), pack(scenario(judgement)))
    was, now = "100ns..1us (assumed: half a round trip)", "100ns..2us (measured: our board)"
    assert lines == [("crash", f"assumption pcie_posted_write: {was} -> {now}")]
