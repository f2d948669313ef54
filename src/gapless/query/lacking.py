"""What of a time is not held well enough to answer, and hence worth a fetch."""

from gapless.model import MINUTE, Candle, Instrument, Proof, State, Timeframe
from gapless.query.market import Market, bounds

_FAR = 2**62


def span_asked(
    market: Market, instrument: Instrument, timeframe: Timeframe, start: int | None, end: int | None, last: int | None
) -> tuple[int, int] | None:
    """Give the time of the whole bars that a question is about, ns UTC; None where it names no time.

    What names no end goes up to the newest closed minute.
    """
    if start is None and last is None:
        return None
    newest = market.reader.newest_candle(instrument.id)
    closed = newest.start + MINUTE if newest else 0
    return bounds(timeframe, start, end, last, _FAR if start is not None and end is not None else closed)


def lacking(
    market: Market, instrument: Instrument, span: tuple[int, int], *, trades: bool, closed: bool = False
) -> list[tuple[int, int]]:
    """List the minutes of a time, joined, that have no whole bar, or (`trades`) no whole trades.

    With `closed` only up to the newest closed minute: what lies after that need not have happened.
    """
    begin, until = span
    if closed:
        newest = market.reader.newest_candle(instrument.id)
        until = min(until, newest.start + MINUTE if newest else 0)
    missing: list[tuple[int, int]] = []
    at = begin
    for candle in market.reader.candles(instrument.id, begin, until):
        if _answers(candle, trades=trades):
            if at < candle.start:
                missing.append((at, candle.start))
            at = candle.start + MINUTE
    return [*missing, (at, until)] if at < until else missing


def _answers(candle: Candle, *, trades: bool) -> bool:
    """Say whether a minute is held; the venue's bar says nothing of trades but that there were none."""
    if trades and candle.proof is Proof.OFFICIAL:
        return candle.state is State.EMPTY
    return candle.proof > Proof.PARTIAL
