"""What an indicator is computed from: bars without a break on their grid, and which of them are complete."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gapless.model import DAY, Candle, Proof, State, Timeframe

Values = NDArray[np.float64]
_COUNTED = (State.TRADED, State.EMPTY)


class Series:
    """Bars of one timeframe, ascending, one for every place of the grid.

    A bar is complete when it is proven at least as well as `least`; an empty one counts with its flat prices.
    `forming_whole` says that the open bar at the end has lost nothing so far, so that it counts too.
    """

    def __init__(
        self,
        bars: Sequence[Candle],
        timeframe: Timeframe,
        *,
        price_digits: int,
        size_digits: int,
        least: Proof = Proof.DISPUTED,
        forming_whole: bool = False,
    ) -> None:
        self.bars = bars
        self.price_digits = price_digits
        self._timeframe = timeframe
        self._scales = {"volume": 10**size_digits}
        self._complete = [
            (bar.state in _COUNTED and bar.proof >= max(least, Proof.DISPUTED))
            or (bar.state is State.OPEN and forming_whole)
            for bar in bars
        ]
        self._exact: dict[str, list[int | None]] = {}
        self._values: dict[tuple[str, bool], Values] = {}

    def __len__(self) -> int:
        return len(self.bars)

    def exact(self, name: str) -> list[int | None]:
        """Give a value of every bar as its scaled integer; None where the bar is not complete or has none."""
        if name not in self._exact:
            pairs = zip(self.bars, self._complete, strict=True)
            self._exact[name] = [getattr(bar, name) if whole else None for bar, whole in pairs]
        return self._exact[name]

    def values(self, name: str, *, scaled: bool = False) -> Values:
        """Give a value of every bar as a float, in its scaled units where asked; NaN where it is None."""
        key = (name, scaled)
        if key not in self._values:
            unit = 1 if scaled else self._scales.get(name, 10**self.price_digits)
            self._values[key] = np.array([np.nan if v is None else v / unit for v in self.exact(name)])
        return self._values[key]

    def runs(self, names: Sequence[str]) -> list[int]:
        """Count, for every bar, how many in a row that end with it have all of these values."""
        runs, run = [], 0
        for values in zip(*(self.exact(name) for name in names), strict=True):
            run = 0 if None in values else run + 1
            runs.append(run)
        return runs

    def sessions(self) -> list[int | None]:
        """Give, for every bar, the index of the first bar of its UTC day; None where that one is not here."""
        first: int | None = None
        found: list[int | None] = []
        for i, bar in enumerate(self.bars):
            midnight = bar.start - bar.start % DAY
            if self._timeframe.start_of(bar.start - 1) < midnight:
                first = i
            found.append(first)
        return found
