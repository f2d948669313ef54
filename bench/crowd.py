"""A simulated Coinbase Exchange of the first 300 products of its real list, at a set number of trades a second.

Every minute the busiest trade most: product n a share of 1 / (n + 4). When the simulator hands trades to the sockets,
it writes who they are and the time, so that the age of each can be told where it arrives.
"""

import asyncio
import json
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.markets import folder
from gapless.sim import hub as hubs
from gapless.sim.coinbase import day, markets
from gapless.sim.coinbase.exchange import streams
from gapless.sim.coinbase.exchange.streams import MATCHES, TICKER
from gapless.sim.coinbase.markets import product as usual
from gapless.sim.events import Event
from gapless.sim.options import SimOptions
from gapless.sim.server import serve
from gapless.sim.synthetic.listing import BLOCK_IDS, Listing

PRODUCTS = 300
STAMP = struct.Struct("<HQQ")  # which product, which trade, ns of this machine
SPAN_MS = 120_000  # of the market that is played
_DAY_S = 86_400


def products() -> list[dict[str, Any]]:
    """Read the products: those in dollars first, all that are online."""
    listed = json.loads((folder() / "coinbase" / "products_20241129.json").read_text())
    online = [one for one in listed if one["status"] == "online" and not one["trading_disabled"]]
    return sorted(online, key=lambda one: (one["quote_currency"] != "USD", one["id"]))[:PRODUCTS]


def _digits(increment: str) -> int:
    return len(increment.rstrip("0").partition(".")[2])


class Crowd:
    """The products with their shares of the trades."""

    def __init__(self, trades: float) -> None:
        self.listed = products()
        shares = [1 / (number + 4) for number in range(PRODUCTS)]
        a_day = trades * _DAY_S / BLOCK_IDS / sum(shares)
        self.blocks = [max(int(share * a_day), 1) for share in shares]

    def product(self, index: int, name: str | None = None) -> Listing:
        """Give a product of the real list in the place of a made one."""
        real = self.listed[index]
        return replace(
            usual(index), name=real["id"], base=real["base_currency"], quote=real["quote_currency"],
            price_digits=_digits(real["quote_increment"]), size_digits=_digits(real["base_increment"]),
            tick=1, middle=50_000, lot=50, blocks=self.blocks[index],
        )  # fmt: skip


class Prepared:
    """The events of a stream, made before play: then nothing is to be done but to send them."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events
        self._at = 0

    def due(self, after: int, upto: int) -> list[Event]:
        events, first = self._events, self._at
        while first < len(events) and events[first].push <= after:
            first += 1
        last = first
        while last < len(events) and events[last].push <= upto:
            last += 1
        self._at = last
        return events[first:last]


class StampingHub(hubs.Hub):
    """Writes when trades leave; what it sends was made before."""

    stamps: Any
    numbers: dict[str, int]

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        streams, usual_source = self.venue.streams, self.venue.streams.source
        names = [f"{kind}:{product}" for product in self.numbers for kind in (MATCHES, TICKER)]
        prepared = {name: self._prepared(usual_source(streams.parse(name), self.market)) for name in names}
        streams.source = lambda name, market: prepared.get(name.text) or usual_source(name, market)  # type: ignore

    def _prepared(self, source: Any) -> Prepared:
        start = self.market.start_ms - 1
        return Prepared(source.due(start, start + SPAN_MS))

    def send_until(self, now: int) -> None:
        self._offered: list[tuple[int, int]] = []
        super().send_until(now)
        at = time.time_ns()
        self.stamps.write(b"".join(STAMP.pack(number, key, at) for number, key in self._offered))

    def _offer(self, event: Any) -> None:
        super()._offer(event)
        name = self.names[event.stream]
        if name.tape is not None:
            self._offered.append((self.numbers[name.symbol], event.key))


def main(trades: float, stamps: Path) -> None:
    """Serve until the end of input."""
    crowd = Crowd(trades)
    markets.product = crowd.product  # type: ignore[assignment]
    bar = day.Bar(0, 50_000, 51_000, 49_000, 50_500, 10**9, 10**14, 1, 10**9, 10**14, 1, 2)
    fixed = day.Day(bar, 30 * 10**9)  # to fold a real one takes long
    streams.best_of = lambda symbol, now: None
    day.Days.of = lambda self, symbol, now: fixed  # type: ignore[method-assign]
    StampingHub.stamps = stamps.open("wb")
    StampingHub.numbers = {one["id"]: number for number, one in enumerate(crowd.listed)}
    hubs.Hub = StampingHub  # type: ignore[misc]
    options = SimOptions(venue="coinbase", instruments=PRODUCTS)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options, lambda where: print(where["url"], flush=True)))
    StampingHub.stamps.close()


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]))
