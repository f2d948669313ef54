"""Candles with indicators: reads the bars that these need before the asked ones, and lays columns beside the rows."""

import time
from collections.abc import Sequence

from gapless.derive.indicators.indicator import Indicator
from gapless.derive.indicators.series import Series
from gapless.errors import BadInput
from gapless.model import DAY, Candle, Instrument, Proof, State, Timeframe
from gapless.model.timeframe import MINUTE_1
from gapless.query.answer import CandleAnswer, WarmUp
from gapless.query.market import Basis, Market


def indicators_asked(texts: Sequence[str], timeframe: Timeframe) -> list[Indicator]:
    """Read the indicators of a question; `BadInput` for one that does not exist or means nothing on these bars."""
    if not texts:
        return []
    from gapless.derive.indicators.catalogue import parse_all  # TA-Lib takes its time to import

    indicators = parse_all(texts)
    for indicator in indicators:
        if indicator.intraday and timeframe.length >= DAY:
            raise BadInput(
                f"{indicator.text} sums from 00:00 UTC on; it needs bars shorter than a day, not {timeframe}"
            )
    return indicators


def warm_up_begin(indicators: Sequence[Indicator], timeframe: Timeframe, start: int) -> int:
    """Give the start (ns) of the first bar that values at the bar that begins at `start` need."""
    return min((indicator.begin(timeframe, start) for indicator in indicators), default=start)


def candles_with(
    market: Market,
    instrument: Instrument,
    timeframe: Timeframe,
    indicators: Sequence[Indicator],
    *,
    start: int | None = None,
    end: int | None = None,
    last: int | None = None,
    basis: Basis = "venue",
    live: bool = False,
    least: Proof = Proof.DISPUTED,
) -> CandleAnswer:
    """Give candles as `Market.candles` does, with a column for each value of the indicators.

    A value rests on complete bars only, each proven at least as well as `least`; where one of them is not, or is not
    held, it is None. The answer's proof, sources and `missing` speak of the asked bars alone.
    """
    began = time.perf_counter()
    answer = market.candles(instrument, timeframe, start=start, end=end, last=last, basis=basis, live=live)
    rows = answer.rows
    if not indicators:
        return answer
    if not rows:
        answer.indicators = {column: [] for indicator in indicators for column in indicator.columns}
        answer.warm_up = WarmUp(0, 0)
        return answer
    begin = warm_up_begin(indicators, timeframe, rows[0].start)
    before = _between(market, instrument, timeframe, begin, rows[0].start, basis)
    forming = rows[-1] if rows[-1].state is State.OPEN else None
    until = beyond = timeframe.end_of(rows[-1].start)
    for _ in range(0 if forming else max(indicator.after for indicator in indicators)):
        beyond = timeframe.end_of(beyond)
    series = Series(
        [*before, *rows, *_between(market, instrument, timeframe, until, beyond, basis)],
        timeframe,
        price_digits=answer.price_digits,
        size_digits=answer.size_digits,
        least=least,
        forming_whole=forming is not None and _whole_so_far(market, instrument, timeframe, forming, basis),
    )
    first = len(before)
    for indicator in indicators:
        columns = indicator.values(series, first, first + len(rows))
        answer.indicators |= dict(zip(indicator.columns, columns, strict=True))
    runs = series.runs(("close",))
    answer.warm_up = WarmUp(_bars(timeframe, begin, rows[0].start), runs[first - 1] if first else 0)
    answer.elapsed_ms = (time.perf_counter() - began) * 1_000
    return answer


def _between(
    market: Market, instrument: Instrument, timeframe: Timeframe, begin: int, until: int, basis: Basis
) -> list[Candle]:
    """Give the closed bars that are held of [begin, until), which are whole bars."""
    if begin >= until:
        return []
    return market.candles(instrument, timeframe, start=begin, end=until, basis=basis).rows


def _whole_so_far(market: Market, instrument: Instrument, timeframe: Timeframe, forming: Candle, basis: Basis) -> bool:
    """Say whether every closed minute of the forming bar is complete."""
    begin = forming.start
    minutes = market.candles(instrument, MINUTE_1, start=begin, end=timeframe.end_of(begin), basis=basis)
    return not minutes.missing and all(minute.proof > Proof.PARTIAL for minute in minutes.rows)


def _bars(timeframe: Timeframe, begin: int, until: int) -> int:
    bars = 0
    while begin < until:
        begin, bars = timeframe.end_of(begin), bars + 1
    return bars
