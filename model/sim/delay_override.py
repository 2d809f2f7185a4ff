"""A model in which the delays of one name may take longer, or less long, than declared."""

from collections.abc import Callable
from fnmatch import fnmatchcase

from simpy.events import Event

from ..base.clock import Span
from .kernel import Delay, Kernel


class DelayOverride:
    """Builds a model with another greatest length for some of its delays.

    Args:
        build: Builds the model as it is declared.
        name: The label of the delays, or a pattern with `*` and `?` for several labels.
        hi_ns: Their greatest length, but never less than their declared least length; None leaves
            them as they are.

    Attributes:
        declared: The spans of these delays, as far as any run has reached them.
        labels: The labels of all delays that any run has reached.
    """

    def __init__(
        self, build: Callable[[Kernel], Event | None], name: str, hi_ns: int | None = None
    ) -> None:
        self.build = build
        self.name = name
        self.hi_ns = hi_ns
        self.declared: dict[Span, None] = {}
        self.labels: dict[str, None] = {}

    def matches(self, label: str) -> bool:
        """Return whether delays with this label get the other length."""
        return label == self.name or fnmatchcase(label, self.name)

    def __call__(self, kernel: Kernel) -> Event | None:
        """Build the model in a kernel."""
        begin = kernel.delay

        def delay(span: Span, label: str) -> Delay:
            self.labels[label] = None
            if self.matches(label):
                self.declared[span] = None
                if self.hi_ns is not None:
                    span = Span(span.lo_ns, max(span.lo_ns, self.hi_ns))
            return begin(span, label)

        kernel.delay = delay  # type: ignore[method-assign]  # this kernel serves one run
        return self.build(kernel)
