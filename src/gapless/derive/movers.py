"""Chooses the top movers: USDT-quoted perpetuals that rose and fell most in the last 24 hours."""

from collections.abc import Collection, Iterable

from gapless.derive.tickers import DIGITS, ONE, change, turnover
from gapless.errors import BadNumber
from gapless.model import Instrument, Ticker
from gapless.model.number import wide


def movers(
    instruments: Iterable[Instrument], tickers: Iterable[Ticker], *, gainers: int, losers: int, min_quote_volume: int
) -> list[str]:
    """Give the ids of those that rose most, then of those that fell most, each once.

    Whatever does not trade, had no trade in 24 h, or turned over less than `min_quote_volume` (in units of the quote)
    is left out. Equal changes go by their id.
    """
    open_ = {
        one.id for one in instruments if (one.kind, one.quote, one.status) == ("perpetual", "USDT", "trading")
    }  # fmt: skip
    floor = min_quote_volume * ONE
    changes = sorted(
        (changed, ticker.instrument)
        for ticker in tickers
        if ticker.instrument in open_ and (changed := _change(ticker, floor)) is not None
    )
    fallen = [name for _, name in changes[:losers]]
    risen = [name for _, name in sorted(changes, key=lambda one: (-one[0], one[1]))[:gainers]]
    return list(dict.fromkeys(risen + fallen))


def _change(ticker: Ticker, floor: int) -> int | None:
    """Give by how much a price changed; None where too little was traded, or what is said of it is no number."""
    try:
        traded = ticker.trades != 0 and wide(ticker.volume, DIGITS) > 0 and turnover(ticker) >= floor
        changed = change(ticker)
    except BadNumber:
        return None
    return changed if traded else None


def exchanged(now: Collection[str], then: Collection[str]) -> int:
    """Count how many of a list change: those that go or those that come, whichever are more."""
    return max(len(set(now) - set(then)), len(set(then) - set(now)))
