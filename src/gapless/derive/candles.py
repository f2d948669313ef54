"""Folds 1-minute candles into bars of any timeframe: one pure function for queries and for live bars."""

from collections.abc import Iterable, Iterator, Sequence

from gapless.model import MINUTE, Candle, Origin, Proof, State, Timeframe


def with_missing(candles: Sequence[Candle], start: int, end: int) -> list[Candle]:
    """Lay candles on the minutes of [start, end): a minute without one is a missing candle."""
    if len(candles) == (end - start) // MINUTE:
        return list(candles)
    by_start = {candle.start: candle for candle in candles}
    return [by_start.get(at) or Candle(start=at) for at in range(start, end, MINUTE)]


def fold(minutes: Iterable[Candle], timeframe: Timeframe) -> Iterator[Candle]:
    """Fold consecutive minutes into bars; the first and last bar take what they are given.

    `minutes` are ascending and without a break (see `with_missing`), beginning on the start of a bar.
    """
    if timeframe.minutes == 1:
        yield from minutes
        return
    group: list[Candle] = []
    end = 0
    for minute in minutes:
        if minute.start >= end:
            if group:
                yield bar_of_minutes(group, timeframe)
            group = []
            end = timeframe.end_of(timeframe.start_of(minute.start))
        group.append(minute)
    if group:
        yield bar_of_minutes(group, timeframe)


def bar_of_minutes(minutes: Sequence[Candle], timeframe: Timeframe) -> Candle:
    """Fold the minutes of one bar: an empty minute adds nothing to its prices, a missing one makes it partial."""
    start = timeframe.start_of(minutes[0].start)
    end = timeframe.end_of(start)
    short = end - start < timeframe.length
    held = [minute for minute in minutes if minute.proof]
    if not held:
        return Candle(start=start, short=short)
    traded = [minute for minute in held if minute.state is not State.EMPTY] or held[:1]
    opened, closed = traded[0], traded[-1]
    highs = [minute.high for minute in traded if minute.high is not None]
    lows = [minute.low for minute in traded if minute.low is not None]
    volume = quote = trades = taker = taker_quote = revision = 0
    worst, forming, venue = Proof.PROVEN, minutes[-1].start + MINUTE < end, True
    edge = border = polled = False
    for minute in held:
        volume += minute.volume or 0
        quote += minute.quote_volume or 0
        trades += minute.trades or 0
        taker += minute.taker_buy_volume or 0
        taker_quote += minute.taker_buy_quote_volume or 0
        revision += minute.revision
        worst = min(worst, minute.proof)
        forming |= minute.state is State.OPEN
        venue &= minute.origin is Origin.VENUE
        edge |= minute.edge
        border |= minute.border
        polled |= minute.polled
    whole = worst > Proof.PARTIAL and len(held) == (end - start) // MINUTE
    return Candle(
        start=start,
        open=opened.open,
        high=max(highs, default=None),
        low=min(lows, default=None),
        close=closed.close,
        volume=volume,
        quote_volume=quote,
        trades=trades,
        taker_buy_volume=taker,
        taker_buy_quote_volume=taker_quote,
        first_seq=opened.first_seq,
        last_seq=closed.last_seq,
        state=State.OPEN if forming else opened.state,
        short=short,
        origin=Origin.VENUE if venue else Origin.TAPE,
        proof=worst if whole else Proof.PARTIAL,
        revision=revision,
        edge=edge,
        border=border,
        polled=polled,
    )
