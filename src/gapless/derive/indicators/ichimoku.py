"""Ichimoku Kinko Hyo: five lines from middles of ranges, exact."""

from gapless.derive.indicators.indicator import Column, Indicator, columns_of
from gapless.derive.indicators.series import Series
from gapless.model import State

PARAMETERS = {"tenkan": 9, "kijun": 26, "senkou": 52, "shift": 26}
OUTPUTS = ("tenkan", "kijun", "senkou_a", "senkou_b", "chikou")
INPUTS = ("high", "low", "close")


def ichimoku(text: str, tenkan: int, kijun: int, senkou: int, shift: int) -> Indicator:
    """Give the indicator.

    Senkou A and B stand where they are plotted, `shift` bars after the last bar that they know; chikou is the close
    of `shift` bars later, which the newest bars do not have yet.
    """

    def values(series: Series, first: int, until: int) -> list[Column]:
        middles = [_middles(series, length) for length in (tenkan, kijun, senkou)]
        unit = 2 * 10**series.price_digits
        plotted = range(first - shift, until - shift)
        clouds = [(_at(middles[0], i), _at(middles[1], i), _at(middles[2], i)) for i in plotted]
        return [
            [_over(middle, unit) for middle in middles[0][first:until]],
            [_over(middle, unit) for middle in middles[1][first:until]],
            [None if a is None or b is None else (a + b) / (2 * unit) for a, b, _ in clouds],
            [_over(c, unit) for _, _, c in clouds],
            [_closed(series, i + shift) for i in range(first, until)],
        ]

    return Indicator(
        text=text, columns=columns_of(text, OUTPUTS), bars=max(tenkan, kijun, senkou) + shift,
        inputs=INPUTS, values=values, after=shift,
    )  # fmt: skip


def _middles(series: Series, length: int) -> list[int | None]:
    """Give twice the middle of the range of so many bars, for every bar."""
    highs, lows = series.exact("high"), series.exact("low")
    return [
        max(highs[i + 1 - length : i + 1]) + min(lows[i + 1 - length : i + 1]) if run >= length else None  # type: ignore[type-var,operator]
        for i, run in enumerate(series.runs(("high", "low")))
    ]


def _at(values: list[int | None], i: int) -> int | None:
    return values[i] if i >= 0 else None


def _over(value: int | None, unit: int) -> float | None:
    return None if value is None else value / unit


def _closed(series: Series, i: int) -> float | None:
    """Give the close of a bar that has closed."""
    if i >= len(series) or series.bars[i].state is State.OPEN:
        return None
    return _over(series.exact("close")[i], 10**series.price_digits)
