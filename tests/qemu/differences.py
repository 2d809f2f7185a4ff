"""placeholder"""
import msgspec
from collections.abc import Callable
from .actions import Action, Initialise, Submit

class Finding(msgspec.Struct, frozen=True):
    field: str
    ours: object
    theirs: object
    features: int
    setting: Initialise
    request: Submit | None

class Difference(msgspec.Struct, frozen=True):
    name: str
    section: str
    ends: bool
    rule: Callable[[Finding, Action], bool]
    def explains(self, finding: Finding, action: Action) -> bool:
        return self.rule(finding, action)

DIFFERENCES: tuple[Difference, ...] = ()
