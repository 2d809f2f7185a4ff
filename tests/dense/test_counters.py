"""A model that counts is proved rightly or refused, whatever holds the count."""

import pytest

from quiesce.model.base.clock import Span
from quiesce.model.base.errors import QuiesceError
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import IrqTaken
from quiesce.properties.prove.watches import NeverAfter, source_is
from quiesce.scenarios.prove.dense import prove

from . import counters, counters_in_code
from .counters import Counting, CountingAttribute

TIMING = Timing()


class Teller(Component):
    """Counts, and speaks twice as soon as it has counted to three."""

    def __init__(self, kernel: Kernel, counting: Counting) -> None:
        super().__init__(kernel, "teller", TIMING)
        self.counting = counting

    def count(self) -> Steps:
        while True:
            yield self.kernel.delay(Span(1, 2), "teller.wait")
            if self.counting.bump() == 3:
                break
        self.emit(IrqTaken(1, 0))
        self.emit(IrqTaken(1, 0))


class Model:
    """A model with one way to count."""

    def __init__(self, kind: type[Counting]) -> None:
        self.kind = kind

    def __call__(self, kernel: Kernel) -> None:
        kernel.process(Teller(kernel, self.kind(kernel)).count())


def speaks_once() -> NeverAfter:
    return NeverAfter("speaks once", source_is("teller"), source_is("teller"))


BASES = (Counting, CountingAttribute)
WAYS: dict[str, type[Counting]] = {
    name: kind
    for name, kind in (vars(counters) | vars(counters_in_code)).items()
    if isinstance(kind, type) and issubclass(kind, Counting) and kind not in BASES
}

REFUSED = {
    "AttributeOfList": "counting.held holds a tests.dense.counters.Grown",
    "DefaultDict": "collections.defaultdict",
    "OfCounter": "collections.Counter",
    "OfOrderedDict": "collections.OrderedDict",
    "DictBehindProperty": "Disguised",
    "AttributeOfEnumMember": "Coloured.RED changes while the model runs",
    "KeywordDefault": "counters_in_code.keyword_only changes",
    "Default": "counters_in_code.positional changes",
    "DefaultOfMethod": "DefaultOfMethod.bump changes",
    "FunctionAttribute": "counters_in_code.attributed changes",
    "MethodAttribute": "MethodAttribute.bump changes",
    "HitsOfCache": "counters_in_code.remembered: .*_lru_cache_wrapper",
    "NumpyArray": "numpy.ndarray.* keep numbers in a list",
    "NumpyScalar": "numpy.int64",
    "OfRandom": "random.Random.* ask `kernel.choices`",
    "OfGlobalRandom": "random.Random.* ask `kernel.choices`",
    "MethodOfRandom": "random.Random.* ask `kernel.choices`",
    "OfBytesIO": "_io.BytesIO",
    "OfSemaphore": "held._cond._lock holds a _thread.lock",
    "ContextVariable": "ContextVar",
    "WeakReference": "weakref",
    "ProxyOfDict": "mappingproxy",
    "Memory": "memoryview",
    "OfTee": "itertools._tee",
    "AttributeOfKernel": "the kernel's attribute count",
    "LengthOfTrace": "the records of the kernel",
    "IndexOfRecord": "the index of a record",
    "LengthOfAnswers": "the answers given so far",
    "ClockOfAnotherKernel": "simpy.core.Environment",
    "EventsRun": "how many events",
    "GlobalList": "counters_in_code.TALLY changes",
    "GlobalNumber": "counters_in_code.NUMBER changes",
    "GlobalByName": "counters_in_code.by_name changes",
    "ClassAttribute": "ClassAttribute.total changes",
    "ListOfClass": "ListOfClass.seen changes",
    "AttributeOfBase": "Counting.count changes",
    "AttributeOfOurClass": "kernel.Signal.count changes",
    "ClassInAttribute": "Numbered.seen changes",
    "AttributeOfMetaclass": "Meta.made changes",
    "Descriptor": "Descriptor.number changes",
    "CellOfGlobalFunction": "counters_in_code.through_closure changes",
    "GlobalIterator": "counters_in_code.TICKETS changes",
    "ModuleInAttribute": "holds a module",
    "VeryDeep": "chain of objects that is too long",
}
"""Ways to count that cannot be followed, and what names them; all others are judged rightly."""


def test_all_that_is_refused_is_a_way_to_count() -> None:
    assert REFUSED.keys() < WAYS.keys()
    assert len(WAYS) > 90


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("name", WAYS)
def test_a_model_that_counts_is_never_proved_wrongly(name: str, in_parts: bool) -> None:
    model = Model(WAYS[name])
    if name in REFUSED:
        with pytest.raises(QuiesceError, match=REFUSED[name]):
            prove(model, [speaks_once], in_parts=in_parts)
        return
    answer = prove(model, [speaks_once], in_parts=in_parts)
    assert answer.verdict == "violated"
    assert answer.counterexample is not None, "an ordinary run shows the same"
