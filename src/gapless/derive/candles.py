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
        if group and minute.start >= end:
            yield bar_of_minutes(group, timeframe)
            group = []
        if not group:
            end = timeframe.end_of(timeframe.start_of(minute.start))
        group.append(minute)
    if group:
        yield bar_of_minutes(group, timeframe)


def bar_of_minutes(minutes: Sequence[Candle], timeframe: Timeframe) -> Candle:
    """Fold the minutes of one bar: an empty minute adds nothing to its prices, a missing one makes it partial."""
    start = timeframe.start_of(minutes[0].start)
    end = timeframe.end_of(start)
    held = [minute for minute in minutes if minute.proof]
    if not held:
        return Candle(start=start, short=timeframe.is_short(start))
    whole = len(held) == (end - start) // MINUTE
    worst = min(minute.proof for minute in held)
    proof = worst if whole and worst > Proof.PARTIAL else Proof.PARTIAL
    traded = [minute for minute in held if minute.state is not State.EMPTY] or held[:1]
    volume = quote = trades = taker = taker_quote = revision = 0
    for minute in held:
        volume += minute.volume or 0
        quote += minute.quote_volume or 0
        trades += minute.trades or 0
        taker += minute.taker_buy_volume or 0
        taker_quote += minute.taker_buy_quote_volume or 0
        revision += minute.revision
    forming = any(minute.state is State.OPEN for minute in held) or minutes[-1].start + MINUTE < end
    empty = traded[0].state is State.EMPTY
    return Candle(
        start=start,
        open=traded[0].open,
        high=max((m.high for m in traded if m.high is not None), default=None),
        low=min((m.low for m in traded if m.low is not None), default=None),
        close=traded[-1].close,
        volume=volume,
        quote_volume=quote,
        trades=trades,
        taker_buy_volume=taker,
        taker_buy_quote_volume=taker_quote,
        first_seq=traded[0].first_seq,
        last_seq=traded[-1].last_seq,
        state=State.OPEN if forming else State.EMPTY if empty else State.TRADED,
        short=timeframe.is_short(start),
        origin=Origin.VENUE if all(m.origin is Origin.VENUE for m in held) else Origin.TAPE,
        proof=proof,
        revision=revision,
        edge=any(minute.edge for minute in held),
        border=any(minute.border for minute in held),
    )
