"""The description of a simulated Coinbase Exchange, put together from its parts."""

from __future__ import annotations

from typing import Any

from gapless.sim.coinbase.bucket import Bucket
from gapless.sim.coinbase.exchange.rest import Endpoints, error
from gapless.sim.coinbase.exchange.sockets import ExchangeSockets
from gapless.sim.coinbase.exchange.streams import ExchangeStreams
from gapless.sim.coinbase.faults import COMMON
from gapless.sim.coinbase.markets import CoinbaseMarkets
from gapless.sim.coinbase.settings import EXCHANGE, settings_with
from gapless.sim.coinbase.texts import micros
from gapless.sim.hub import Hub
from gapless.sim.requests import Requests, Words
from gapless.sim.venue import Reply, SimVenue

HTML = {"Content-Type": "text/html"}
WORDS = Words(
    missing=error(404, "NotFound"),
    too_many=error(429, "Public rate limit exceeded"),
    trouble=(
        error(500, "Internal server error"),
        Reply(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", HTML),
        error(503, "ServiceUnavailable"),
        Reply(504, b"<html><body><h1>504 Gateway Time-out</h1></body></html>", HTML),
    ),
)


def simulated(name: str, given: dict[str, Any]) -> SimVenue:
    """Returns the Exchange with the `[limits]` of a fault file applied."""
    settings = settings_with(EXCHANGE, given)
    streams = ExchangeStreams()

    def rest(hub: Hub, api_key: str) -> Requests:
        return Requests(hub, Endpoints(hub.market, lambda: hub.now, settings.before), WORDS)

    return SimVenue(
        name,
        CoinbaseMarkets(),
        streams,
        ExchangeSockets(settings, streams),
        rest,
        Bucket(settings.requests_per_s, settings.burst),
        faults=COMMON,
        rest_path="",
        socket_paths=("",),
        flat_bars=False,
        agg_ids=False,
        folds=True,
        instants=micros,
        buffer_bytes=settings.buffer_bytes,
    )
