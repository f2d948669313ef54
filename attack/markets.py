"""What the attack knows of each venue: what its protocol lacks, with the reason, and what it takes to play it."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from gapless.sim.faults.script import KNOWN

USUAL = "binance"  # what is played where no venue is named
SPOT = "binance-spot"
OKX = "okx"
EXCHANGE = "coinbase"
ADVANCED = "coinbase-advanced"

LIMITED = {"limit_far_below": (400.0, 2_400.0), "limit_halved": (400.0, 7_500.0), "limit_300": (400.0, 2_400.0)}


class Market(Struct, frozen=True, kw_only=True):
    """A venue under attack.

    `lacks` says why a kind of fault, or a row of its own name, is none of this venue's. `bars` is what its simulator
    calls the truth of minutes. `free` are limits of the simulator under which connections may be replaced as fast as
    they can be. `limited` gives, for the rows of changed limits, the speed of the market and how many of its seconds
    are to be missing: the repair must be felt, and must end. Where weight counts `by_minute`, it must not be spread
    over two of them. Streams of an instrument take so many `routes`. Changes of books are
    `numbered` where one that is lost shows.
    """

    name: str
    lacks: Mapping[str, str]
    free: Mapping[str, Any]
    bars: str = "kline_1m"
    by_minute: bool = False
    routes: int = 2
    numbered: bool = True
    limited: Mapping[str, tuple[float, float]] = field(default_factory=lambda: LIMITED)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of faults that can be played."""
        return tuple(kind for kind in KNOWN if kind not in self.lacks)

    def setting(self, text: str) -> str:
        """Write a setting of this venue."""
        return f"venues.{self.name}.{text}"


_SLOWER = {"limit_far_below": (100.0, 1_200.0), "limit_halved": (100.0, 4_800.0)}  # its tickers take long to make
_UNCOUNTED = {"connections": 1_000_000, "messages_per_s": 1_000_000.0}
_NEVER_ANEW = "no books of its have numbers that begin anew"
_OTHERS = {
    "notice": "its own notice is another kind, server_shutdown",
    "http_50011": "it throttles by HTTP 429 alone",
    "heartbeats_lost": "it sends no heartbeats",
    "sequence_reset": _NEVER_ANEW,
}
_COINBASE = {
    "http_418": "nobody is ever banned",
    "server_shutdown": "it does not announce that it hangs up",
    "notice": "it does not announce that it hangs up",
    "late_close": "it streams no closed minutes",
    "missing_close": "it streams no closed minutes",
    "http_50011": "it throttles by HTTP 429 alone",
    "sequence_reset": _NEVER_ANEW,
    "limit_300": "it announces no limit",
    "wrong_page_bars": "bars are asked for once, at the start",
}

MARKETS = {
    market.name: market
    for market in (
        Market(name=USUAL, lacks=_OTHERS, free={"attempts": 1_000_000}, by_minute=True),
        Market(name=SPOT, lacks=_OTHERS, free={"attempts": 1_000_000}, by_minute=True),
        Market(
            name=OKX, free={"connects": 1_000_000},
            limited={"limit_far_below": (100.0, 300.0), "limit_halved": (100.0, 1_200.0)},
            lacks={
                "http_418": "nobody is ever banned",
                "server_shutdown": "its notice is another kind, 64008",
                "close_24h": "it lets connections live",
                "heartbeats_lost": "it sends none but an answer to each ping",
                "limit_300": "it announces no limit",
            },
        ),
        Market(
            name=EXCHANGE, bars="fold_1m", limited=_SLOWER, free=_UNCOUNTED, routes=1,
            numbered=False,
            lacks={**_COINBASE, "page_split": "its pages are of ids, and no instant can split one"},
        ),
        Market(
            name=ADVANCED, bars="fold_1m", limited=_SLOWER, free=_UNCOUNTED, routes=1,
            lacks=_COINBASE,
        ),
    )
}  # fmt: skip
