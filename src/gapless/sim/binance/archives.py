"""Daily archive files of the synthetic market."""

from __future__ import annotations

from gapless.sim.binance.venue import Venue
from gapless.sim.market import Market


def archive_reply(market: Market, venue: Venue, path: str, now: int) -> bytes | None:
    """Returns a file, or None when there is none."""
    return None
