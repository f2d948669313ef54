"""The functions of TA-Lib as indicators: any of them, its parameters in TA-Lib's order."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import groupby
from typing import Any

import numpy as np

from gapless.derive.indicators.indicator import Column, Indicator, Value, columns_of
from gapless.derive.indicators.series import Series, Values
from gapless.derive.indicators.settling import CUMULATIVE, MOST, REMEMBERING, settled_after
from gapless.errors import BadInput

Parameters = dict[str, int | float]
_TALIB: Any = import_module("talib")  # its stubs leave out what describes its functions
_FUNCTION: Any = import_module("talib.abstract").Function
_Work = Callable[[Sequence[Values]], Sequence[Values]]
# What these say turns on whether two differences of prices are equal, which floats decide by chance: patterns, moves up
# and down (ADX and its parts), a phase that stands still. They are given scaled integers, whose differences are exact.
_TURN_ON_TIES = frozenset({"ADX", "ADXR", "DX", "MAMA", "MINUS_DI", "MINUS_DM", "PLUS_DI", "PLUS_DM"})
_IN_PRICES = frozenset({"MAMA", "MINUS_DM", "PLUS_DM"})
_HIGHEST = 1_000_000  # no function takes a larger whole number
_CANDLE = frozenset({"open", "high", "low", "close", "volume"})
AVERAGES: dict[str, int] = {
    name.lower(): getattr(_TALIB.MA_Type, name)
    for name in dir(_TALIB.MA_Type)
    if name.isupper() and name not in ("DISABLED", "DEFAULT")
}


def inputs_of(name: str) -> tuple[str, ...]:
    """List the values of a bar that a function takes, in its order."""
    found: list[str] = []
    for value in _FUNCTION(name).input_names.values():
        found += [value] if isinstance(value, str) else value
    return tuple(found)


def _offered(name: str) -> bool:
    """Say whether a function takes bars, and how long it remembers them is known."""
    remembers = {"Function has an unstable period", "Output is path-dependent"} & set(
        _FUNCTION(name).function_flags or ()
    )
    return _CANDLE.issuperset(inputs_of(name)) and (not remembers or name in REMEMBERING)


GROUPS: dict[str, str] = {
    name: group for group, names in _TALIB.get_function_groups().items() for name in names if _offered(name)
}


def defaults_of(name: str) -> Parameters:
    """Give the parameters of a function with their defaults, in TA-Lib's order."""
    return dict(_FUNCTION(name).info["parameters"])


def outputs_of(name: str) -> tuple[str, ...]:
    """List what a function gives."""
    return tuple(_FUNCTION(name).output_names)


def takes_integers(name: str) -> bool:
    """Say whether a function is given scaled integers, because what it says turns on ties."""
    return name in _TURN_ON_TIES or GROUPS[name] == "Pattern Recognition"


def function(text: str, name: str, parameters: Parameters) -> Indicator:
    """Give a function of TA-Lib as an indicator; `BadInput` where it does not take these parameters."""
    lookback = _lookback(name, parameters)
    if lookback < 0:
        raise BadInput(f"{text}: {_refusal(name, parameters)}")
    bars = None if name in CUMULATIVE else lookback + 1 + settled_after(name, parameters)
    if bars is not None and bars > MOST:
        raise BadInput(f"{text}: it needs more than {MOST:,} bars for a value, which is the most that is read")
    inputs, outputs = inputs_of(name), outputs_of(name)
    work = _work(name, parameters, single=len(outputs) == 1)
    exact = takes_integers(name)

    def values(series: Series, first: int, until: int) -> list[Column]:
        arrays = [series.values(value, scaled=exact) for value in inputs]
        unit = 10**series.price_digits if exact and name in _IN_PRICES else None
        columns: list[Column] = [[None] * (until - first) for _ in outputs]
        found = (
            _since_midnight(work, arrays, series.runs(inputs), series.sessions(), first=first, until=until)
            if bars is None
            else _windows(work, arrays, series.runs(inputs), bars, first=first, until=until)
        )
        for i, row in found:
            for column, value in zip(columns, row, strict=True):
                column[i - first] = _value(value if unit is None else value / unit)
        return columns

    names = columns_of(text, ("",) if len(outputs) == 1 else outputs)
    return Indicator(text=text, columns=names, bars=bars, inputs=inputs, values=values, intraday=name in CUMULATIVE)


def _work(name: str, parameters: Parameters, *, single: bool) -> _Work:
    """Give a function as one from arrays to arrays, whatever the number of its outputs."""
    call: Callable[..., Any] = getattr(_TALIB, name)

    def work(arrays: Sequence[Values]) -> Sequence[Values]:
        found: Any = call(*arrays, **parameters)
        return (found,) if single else found

    return work


def _windows(
    work: _Work, arrays: Sequence[Values], runs: Sequence[int], bars: int, *, first: int, until: int
) -> Iterator[tuple[int, list[Any]]]:
    """Compute each bar from the bars that it needs and no others."""
    for i in range(first, until):
        if runs[i] >= bars:
            yield i, [out[-1] for out in work([array[i + 1 - bars : i + 1] for array in arrays])]


def _since_midnight(
    work: _Work,
    arrays: Sequence[Values],
    runs: Sequence[int],
    sessions: Sequence[int | None],
    *,
    first: int,
    until: int,
) -> Iterator[tuple[int, list[Any]]]:
    """Compute the bars of each UTC day from the first of it."""
    for begin, places in groupby(range(first, until), key=lambda i: sessions[i]):
        whole = [i for i in places if begin is not None and runs[i] > i - begin]
        if begin is not None and whole:
            outs = work([array[begin : whole[-1] + 1] for array in arrays])
            yield from ((i, [out[i - begin] for out in outs]) for i in whole)


def _value(value: Any) -> Value:
    """Give a number of TA-Lib as one of ours; what is not finite is none."""
    return int(value) if isinstance(value, np.integer) else float(value) if np.isfinite(value) else None


def _lookback(name: str, parameters: Parameters) -> int:
    """Give how many bars before its first value a function takes; negative where it refuses the parameters."""
    found = _FUNCTION(name)
    found.parameters = parameters
    return int(found.lookback)


def _refusal(name: str, parameters: Parameters) -> str:
    """Say which parameter is refused, and what is allowed."""
    defaults = defaults_of(name)

    def takes(parameter: str, value: int) -> bool:
        return _lookback(name, defaults | {parameter: value}) >= 0

    for parameter, value in parameters.items():
        if _lookback(name, defaults | {parameter: value}) >= 0:
            continue
        if isinstance(value, float):
            return f"{parameter} {value} is out of range; its default is {defaults[parameter]}"
        least = next(n for n in range(1_000) if takes(parameter, n))
        most = bisect_left(range(_HIGHEST), True, lo=least, key=lambda n: not takes(parameter, n)) - 1
        return f"{parameter} {value} is not allowed; allowed are {least} to {most}"
    return "these parameters do not go together"
