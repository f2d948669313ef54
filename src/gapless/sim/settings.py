"""The `[limits]` of a fault file, applied to a venue's table of limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from gapless.sim.errors import SimError, nearest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def applied(standard: T, given: Mapping[str, Any], allowed: Iterable[str]) -> T:
    """Returns a table (a dataclass) with some of its fields set anew, each of the kind that it usually is."""
    names = list(allowed)
    for name, value in given.items():
        if name not in names:
            close = nearest(name, names)
            raise SimError(f"unknown limit {name!r}{close} in the fault file; allowed are {', '.join(names)}")
        usual = getattr(standard, name)
        if isinstance(usual, str | bool):
            fits = isinstance(value, type(usual))
            kind = "true or false" if isinstance(usual, bool) else "a text"
        else:
            fits = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
            kind = "a number"
        if not fits:
            raise SimError(f"limit {name} = {value!r} in the fault file is not {kind}")
    return replace(standard, **given)
