"""The volume-weighted average price, from exact sums of quote volume and volume."""

from collections.abc import Sequence

from gapless.derive.indicators.indicator import Column, Indicator, columns_of
from gapless.derive.indicators.series import Series

INPUTS = ("quote_volume", "volume")


def vwap(text: str, bars: int | None) -> Indicator:
    """Give the VWAP of the last `bars` bars, or of all since 00:00 UTC; None while nothing has traded in them."""

    def values(series: Series, first: int, until: int) -> list[Column]:
        quotes, volumes = _sums(series.exact("quote_volume")), _sums(series.exact("volume"))
        runs, sessions = series.runs(INPUTS), series.sessions()
        unit = 10**series.price_digits
        column: Column = []
        for i in range(first, until):
            begin = sessions[i] if bars is None else i + 1 - bars
            volume = 0
            if begin is not None and runs[i] > i - begin:
                volume = volumes[i + 1] - volumes[begin]
            column.append((quotes[i + 1] - quotes[begin]) / (volume * unit) if volume and begin is not None else None)
        return [column]

    return Indicator(text=text, columns=columns_of(text, ("vwap",)), bars=bars, inputs=INPUTS, values=values)


def _sums(values: Sequence[int | None]) -> list[int]:
    """Give the sum of the first 0, 1, 2, ... values."""
    sums = [0]
    for value in values:
        sums.append(sums[-1] + (value or 0))
    return sums
