"""A state that never comes again: the user is told which attribute grew."""

import pytest

from quiesce.model.base.clock import Span
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Steps

from .small_proofs import prove

TIMING = Timing()


class Server(Component):
    """Serves for ever; keeps what it is told to keep."""

    def __init__(self, kernel: Kernel, name: str, keeps: str) -> None:
        super().__init__(kernel, name, TIMING)
        self.keeps = keeps
        self.is_even = False
        self.served = 0
        self.history: list[int] = []
        self.start(self._serve)

    def _serve(self) -> Steps:
        while True:
            yield self.kernel.delay(Span(1, 2), f"{self.name}.serve")
            self.is_even = not self.is_even
            if self.keeps == "count":
                self.served += 1
            elif self.keeps == "log":
                self.history.append(7)


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize(("keeps", "named"), [("count", "b.served"), ("log", "b.history")])
def test_the_attribute_that_grew_is_named(keeps: str, named: str, in_parts: bool) -> None:
    def build(kernel: Kernel) -> None:
        Server(kernel, "a", "nothing")
        Server(kernel, "b", keeps)

    proof = prove(build, in_parts=in_parts, classes_max=400)
    assert proof.verdict == "inconclusive"
    assert f"; {named} grew: it changed" in proof.reason


def test_a_local_that_grew_is_named_with_its_process() -> None:
    def build(kernel: Kernel) -> None:
        def counting() -> Steps:
            rounds = 0
            while True:
                yield kernel.delay(Span(1, 2), "counting.wait")
                rounds += 1

        kernel.process(counting())

    reason = prove(build, classes_max=50).reason
    assert "; counting: rounds grew" in reason
    assert "at last 49" in reason


def test_a_model_that_is_merely_large_is_not_accused() -> None:
    def build(kernel: Kernel) -> None:
        for name in "abcd":
            Server(kernel, name, "nothing")

    proof = prove(build, classes_max=20)
    assert proof.reason.startswith(f"cut short after {proof.classes} classes, ")
    assert "grew" not in proof.reason
