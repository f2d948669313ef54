"""Folds 1-minute candles into bars of any timeframe: one pure function for queries and for live bars."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

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
    """Fold the minutes of one bar, or those that there are of it: an empty minute adds nothing to its prices, a missing
    one makes it partial."""
    start = timeframe.start_of(minutes[0].start)
    end = timeframe.end_of(start)
    ((_, bar),) = bars_ending(minutes, ((len(minutes), timeframe),))
    if len(minutes) * MINUTE == end - start:
        return bar
    short = end - start < timeframe.length
    if not bar.proof:
        return Candle(start=start, short=short)
    state = State.OPEN if minutes[-1].start + MINUTE < end else bar.state
    return replace(bar, start=start, short=short, state=state, proof=Proof.PARTIAL)


def bars_ending(
    minutes: Sequence[Candle], frames: Iterable[tuple[int, Timeframe]]
) -> Iterator[tuple[Timeframe, Candle]]:
    """Fold the bars that end with the last of some consecutive minutes, in one pass from the newest to the oldest.

    `frames` are (minutes of the bar, timeframe), the shortest first: 59 timeframes cost about as much as the longest.
    A sum of which a minute does not tell its part is None.
    """
    opened = closed = oldest = high = low = None
    volume = quote = trades = taker = taker_quote = revision = held = passed = 0
    worst, forming, venue, edge, border, polled = Proof.PROVEN, False, True, False, False, False
    summed = counted = True
    walk = reversed(minutes)
    for count, frame in frames:
        for _ in range(count - passed):
            minute = next(walk)
            if not minute.proof:
                continue
            held += 1
            oldest = minute
            if minute.state is not State.EMPTY:
                opened = minute
                closed = closed or minute
                if minute.high is not None and (high is None or minute.high > high):
                    high = minute.high
                if minute.low is not None and (low is None or minute.low < low):
                    low = minute.low
            volume += minute.volume or 0
            if minute.quote_volume is None:
                summed = False
            else:
                quote += minute.quote_volume
            if minute.trades is None:
                counted = False
            else:
                trades += minute.trades
                taker += minute.taker_buy_volume or 0
                taker_quote += minute.taker_buy_quote_volume or 0
            revision += minute.revision
            worst = min(worst, minute.proof)
            forming |= minute.state is State.OPEN
            venue &= minute.origin is Origin.VENUE
            edge |= minute.edge
            border |= minute.border
            polled |= minute.polled
        passed = count
        start = minutes[-count].start
        short = count < frame.minutes
        if oldest is None:
            yield frame, Candle(start=start, short=short)
            continue
        first, last = opened or oldest, closed or oldest
        yield frame, Candle(
            start, first.open, high if opened else first.high, low if opened else first.low, last.close,
            volume, quote if summed else None, trades if counted else None, taker if counted else None,
            taker_quote if counted else None, first.first_seq, last.last_seq,
            State.OPEN if forming else first.state, short, Origin.VENUE if venue else Origin.TAPE,
            worst if held == count and worst > Proof.PARTIAL else Proof.PARTIAL, revision, edge, border, polled,
        )  # fmt: skip
