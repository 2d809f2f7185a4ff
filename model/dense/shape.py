"""What a model looks like at its beginning, whatever its components are called."""

from collections.abc import Hashable, Mapping

import msgspec

from .dense_model import DenseModel
from .form_tokens import Form, unfolded


def shape_of(model: DenseModel) -> Hashable:
    """Return the forms of a model that has been asked for its beginnings, free of names.

    Components of the model are written as numbers in their order, those left out not at all.
    Equal shapes are a hint that two models may be alike, and no more than that.

    Args:
        model: Explored in parts; has been asked for its beginnings, and for nothing else.
    """
    claim_names = (*model.claim_names, *model.part_names[model.first_stopwatch :])
    parts = [name for name in model.part_names if name not in claim_names]
    numbers: dict[str, Hashable] = dict.fromkeys(model.left_out, _LEFT_OUT)
    numbers |= {name: ("part", number) for number, name in enumerate(parts)}
    numbers |= dict.fromkeys(claim_names, ("claim",))
    return tuple(_renamed(unfolded(form), numbers) for form in model._forms)


_LEFT_OUT = ("left out",)


def _renamed(form: Form, numbers: Mapping[str, Hashable]) -> Hashable:
    if isinstance(form, str):
        return _name(form, numbers)
    if isinstance(form, tuple):
        if len(form) == 2 and form[0] == "part":
            return _name(form[1], numbers)
        renamed = [_renamed(each, numbers) for each in form]
        # Of a list of all devices there remain those that are in the slice.
        left = [each for each in renamed if each is not _LEFT_OUT]
        return tuple(left) if left or not form else _LEFT_OUT
    if isinstance(form, msgspec.Struct):
        values = [getattr(form, name) for name in form.__struct_fields__]
        return (type(form), *[_renamed(value, numbers) for value in values])
    return form


def _name(text: str, numbers: Mapping[str, Hashable]) -> Hashable:
    """Return a name, or one that begins with a name and a dot, with its number instead."""
    head, dots = text, ""
    while head:
        number = numbers.get(head)
        if number is not None:
            return (number, dots) if dots else number
        head, dot, last = head.rpartition(".")
        dots = dot + last + dots
    return text
