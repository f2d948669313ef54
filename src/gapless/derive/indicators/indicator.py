"""What an indicator is: its columns, the bars that it needs, and its function."""

from collections.abc import Callable

from msgspec import Struct

from gapless.derive.indicators.series import Series
from gapless.model import DAY, Timeframe

Value = float | int | None
Column = list[Value]


class Indicator(Struct, frozen=True, kw_only=True):
    """An indicator with its parameters.

    A value is computed from exactly the `bars` bars that end at its bar, so that it is the same whatever was asked
    for; None means all bars since 00:00 UTC. `after` bars later than its own are looked at by a column that plots
    backwards. An `intraday` one means nothing on bars of a day or longer. `inputs` are the values of a bar that it
    needs. `values(series, first, until)` gives a column each for the bars from `first` to before `until`; what is not
    complete is None.
    """

    text: str
    columns: tuple[str, ...]
    bars: int | None
    inputs: tuple[str, ...]
    values: Callable[[Series, int, int], list[Column]]
    after: int = 0
    intraday: bool = False

    def begin(self, timeframe: Timeframe, start: int) -> int:
        """Give the start (ns) of the first bar needed for a value at the bar that begins at `start`."""
        if self.bars is None:
            begin = start
            while (before := timeframe.start_of(begin - 1)) >= start - start % DAY:
                begin = before
            return begin
        for _ in range(self.bars - 1):
            start = timeframe.start_of(start - 1)
        return start


def columns_of(text: str, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """Name the columns: `sma:200` is `sma_200`, several outputs follow as in `macd_12_26_9_signal`.

    The output that bears the indicator's own name adds nothing: `macd_12_26_9`.
    """
    name, label = text.partition(":")[0], text.replace(":", "_")
    if len(outputs) == 1:
        return (label,)
    rests = (output.removeprefix(name).lstrip("_") for output in outputs)
    return tuple(f"{label}_{rest}" if rest else label for rest in rests)
