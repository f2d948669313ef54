"""How many bars a function of TA-Lib needs before its value no longer depends on where it began.

A function with a window knows its `lookback` bars before a bar and nothing else. One that smooths its own result
remembers all of them: it needs as many more as leave what came earlier a weight below 1e-9. Where the factor adapts to
the market the slowest one counts; where the way out of a state is not a weight, the bars are a number, stated here.
"""

from collections.abc import Mapping, Sequence

from gapless.derive.indicators.memory import ema, forgotten_after, wilder

Parameters = Mapping[str, int | float]
MOST = 50_000  # bars that a value may need

# Sums and levels from the first bar on: there is no bar before which nothing matters, so they begin at 00:00 UTC.
CUMULATIVE = frozenset({"AD", "CUMSUM", "NVI", "OBV", "PVI", "PVT", "WAD"})

_HILBERT = 500  # the smoothed period of the Hilbert transform follows the last one within limits, not by a weight
_HILBERTS = frozenset({"HT_DCPERIOD", "HT_DCPHASE", "HT_PHASOR", "HT_SINE", "HT_TRENDLINE", "HT_TRENDMODE", "MAMA"})
_REVERSALS = 10  # stop and reverse forgets with its last reversals: bars it may take, times 1 / acceleration
_STEPS = ("acceleration", "accelerationinitlong", "accelerationlong", "accelerationinitshort", "accelerationshort")
_TRAIL = 500  # a trailing band forgets when the price crosses it

_EMA: dict[str, Sequence[str]] = {
    "EMA": ("timeperiod",), "DEMA": ("timeperiod",) * 2, "TEMA": ("timeperiod",) * 3, "T3": ("timeperiod",) * 6,
    "TRIX": ("timeperiod",) * 3, "ZLEMA": ("timeperiod",), "ERI": ("timeperiod",), "EFI": ("timeperiod",),
    "CVI": ("timeperiod",), "MASSI": ("fastperiod",) * 2, "TSI": ("firstperiod", "secondperiod"),
    "SMI": ("fastperiod", "slowperiod", "signalperiod"), "ADOSC": ("slowest",), "MACD": ("slowest", "signalperiod"),
    "MACDFIX": ("fixed", "signalperiod"),
}  # fmt: skip
_WILDER: dict[str, Sequence[str]] = {
    "RMA": ("timeperiod",), "RSI": ("timeperiod",), "STOCHRSI": ("timeperiod",), "CMO": ("timeperiod",),
    "DX": ("timeperiod",), "PLUS_DI": ("timeperiod",), "MINUS_DI": ("timeperiod",), "PLUS_DM": ("timeperiod",),
    "MINUS_DM": ("timeperiod",), "ADX": ("timeperiod",) * 2, "ADXR": ("timeperiod",) * 2, "ATR": ("timeperiod",),
    "NATR": ("timeperiod",), "RVI": ("timeperiod",), "SUPERTREND": ("timeperiod",),
}  # fmt: skip
# Those with a memory whose length is known here.
REMEMBERING = CUMULATIVE | _HILBERTS | _EMA.keys() | _WILDER.keys() | {"HA", "KAMA", "KC", "SAR", "SAREXT"}
_AVERAGES = {1: "EMA", 3: "DEMA", 4: "TEMA", 6: "KAMA", 7: "MAMA", 8: "T3", 12: "ZLEMA", 13: "RMA"}


def settled_after(name: str, parameters: Parameters) -> int:
    """Give how many bars beyond its lookback a function needs."""
    if name == "KC":  # the middle and the width, side by side
        middle, width = ema(int(parameters["timeperiod"])), wilder(int(parameters["atrperiod"]))
        return max(forgotten_after(factor, most=MOST) for factor in (middle, width))
    bars = forgotten_after(*_factors(name, parameters), most=MOST)
    if name in _HILBERTS:
        bars += _HILBERT
    if name == "SUPERTREND":
        bars += _TRAIL
    if name in ("SAR", "SAREXT"):
        steps = [value for parameter, value in parameters.items() if parameter in _STEPS]
        bars += round(_REVERSALS / max(min(steps), _REVERSALS / MOST))
    return bars + sum(settled_after(*average) for average in _averages(parameters))


def _factors(name: str, parameters: Parameters) -> list[float]:
    if name == "KAMA":
        return [ema(30) ** 2]
    if name == "MAMA":
        slowest = min(parameters.get("fastlimit", 0.5), parameters.get("slowlimit", 0.05))
        return [slowest, slowest / 2]
    if name == "HA":
        return [1 / 2]
    periods = {**parameters, "slowest": _slowest(parameters), "fixed": 26}
    return [
        *(ema(int(periods[period])) for period in _EMA.get(name, ())),
        *(wilder(int(periods[period])) for period in _WILDER.get(name, ())),
    ]


def _slowest(parameters: Parameters) -> int:
    return max((int(parameters[period]) for period in ("fastperiod", "slowperiod") if period in parameters), default=1)


def _averages(parameters: Parameters) -> list[tuple[str, Parameters]]:
    """List the moving averages with a memory that parameters such as `matype` and `slowk_matype` choose."""
    found: dict[str, tuple[str, Parameters]] = {}
    for parameter, kind in parameters.items():
        if not parameter.endswith("matype") or kind not in _AVERAGES:
            continue
        period = parameter.replace("matype", "period")
        if period == "period":
            length = int(parameters.get("timeperiod", _slowest(parameters)))
        else:
            length = int(parameters[period])
        # Of the fast and the slow average of a difference, side by side, the slower one counts.
        stage = "difference" if parameter in ("fastmatype", "slowmatype") else parameter
        average = (_AVERAGES[int(kind)], {"timeperiod": length})
        if stage not in found or settled_after(*average) > settled_after(*found[stage]):
            found[stage] = average
    return list(found.values())
