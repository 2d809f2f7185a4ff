"""Variables given with `set`.

Source:
    QNX 8.0 hypervisor guide, vm/set; QNX 7.1 hypervisor safety guide, vm/variables.
"""

from .arguments import Arguments
from .config import Setting
from .numbers import shown
from .options import VARIABLES, OptionSpec, VariableSpec, variable
from .tokens import Token
from .vdev_types import typo_of


class Settings:
    """The variables in text order.

    Args:
        arguments: Reads the values.
    """

    def __init__(self, arguments: Arguments) -> None:
        self.taken: list[Setting] = []
        self._arguments = arguments
        self._collector = arguments.collector

    def take(self, name: Token, value: Token, *, vdev: int, cpu: int) -> None:
        """Take one variable.

        Args:
            name: The variable.
            value: Its value.
            vdev: Index of the vdev whose context is open, otherwise -1.
            cpu: Index of the CPU whose context is open, otherwise -1.
        """
        spec = variable(name.text)
        if spec is None:
            self._take_unknown(name, value)
            return
        if spec.scope == "vdev" and vdev < 0:
            message = f"{spec.name} belongs to a vdev, and the latest context is none"
            self._collector.error(name.place, message, word=name.text, remedy="put it behind one")
        numbers = self._numbers(spec, name, value)
        if not spec.modelled:
            self._collector.not_modelled(name.place, f"set {name.text} {value.text}")
        self.taken.append(
            Setting(
                name.place,
                name.text,
                value.text,
                numbers[0] if numbers else None,
                vdev=vdev if spec.scope == "vdev" else -1,
                cpu=cpu if spec.scope == "cpu" else -1,
            )
        )

    def _numbers(self, spec: VariableSpec, name: Token, value: Token) -> tuple[int, ...]:
        lowest = 0 if spec.zero_allowed else spec.lowest
        row = OptionSpec(name.text, (spec.kind,), lowest=lowest, highest=spec.highest)
        numbers = self._arguments.option(name, row, [value]).numbers
        if numbers and 0 < numbers[0] < spec.lowest:
            message = f"{spec.name}: {shown(value.text)} is not in {spec.lowest}..{spec.highest}"
            remedy = "0 means never" if spec.zero_allowed else ""
            self._collector.error(value.place, message, word=value.text, remedy=remedy)
        return numbers

    def _take_unknown(self, name: Token, value: Token) -> None:
        meant = typo_of(name.text, tuple(row.name for row in VARIABLES))
        if meant:
            message = f"unknown variable {shown(name.text)}"
            remedy = f"did you mean {meant}?"
            self._collector.error(name.place, message, word=name.text, remedy=remedy)
            return
        message = f"the variable {shown(name.text)} is in no guide that could be read"
        self._collector.note(name.place, message, word=name.text)
        self._collector.not_modelled(name.place, f"set {name.text} {value.text}")
        self.taken.append(Setting(name.place, name.text, value.text))
