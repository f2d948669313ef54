"""What a request is worth: the more it is, the sooner it leaves and the more of the budget it may use."""

from enum import IntEnum


class Priority(IntEnum):
    """The lower, the sooner: live before candles before history."""

    LIVE = 0
    """Whether live data is live: the venue's clock, its newest id, its instruments; closed bars while streams are down.
    """
    TRADES = 1
    """Holes of trades since the first live id."""
    BARS = 2
    """Holes of bars since the first live one, and snapshots of books."""
    HISTORY = 3
    """What lies before the first live id, and what a question waits for."""
    BACKFILL = 4
    """What somebody asked for by hand."""


_PERCENT = {
    Priority.LIVE: 100,
    Priority.TRADES: 95,
    Priority.BARS: 90,
    Priority.HISTORY: 75,
    Priority.BACKFILL: 60,
}


def part(whole: int, priority: Priority) -> int:
    """Give how much of a budget a priority may use up, all priorities together: the rest is for more important ones.

    So a backfill, in whichever process, leaves at least two fifths of every minute to what is live.
    """
    return whole * _PERCENT[priority] // 100
