"""The description of a simulated Advanced Trade, put together from its parts."""

from __future__ import annotations

from typing import Any

import msgspec

from gapless.sim.coinbase.advanced.rest import PREFIX, Endpoints, error
from gapless.sim.coinbase.advanced.sockets import AdvancedSockets
from gapless.sim.coinbase.advanced.streams import BATCH_MS, AdvancedStreams
from gapless.sim.coinbase.bucket import Bucket
from gapless.sim.coinbase.faults import COMMON
from gapless.sim.coinbase.markets import CoinbaseMarkets
from gapless.sim.coinbase.settings import ADVANCED, settings_with
from gapless.sim.coinbase.texts import micros
from gapless.sim.hub import Hub
from gapless.sim.requests import JSON, Requests, Words
from gapless.sim.venue import Reply, SimVenue

TOO_MANY = {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
WORDS = Words(
    missing=error(404, "NOT_FOUND", "Not Found"),
    too_many=Reply(429, msgspec.json.encode(TOO_MANY), dict(JSON)),
    trouble=(
        error(500, "INTERNAL", "Something went wrong"),
        Reply(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", {"Content-Type": "text/html"}),
        error(503, "UNAVAILABLE", "Service Unavailable"),
    ),
)


def simulated(name: str, given: dict[str, Any]) -> SimVenue:
    """Returns Advanced Trade with the `[limits]` of a fault file applied."""
    settings = settings_with(ADVANCED, given)
    streams = AdvancedStreams(settings)
    bucket = Bucket(settings.requests_per_s, settings.burst)
    sockets = AdvancedSockets(settings, streams)

    def announced(who: str, arrived: float) -> dict[str, str]:
        return {
            "x-ratelimit-limit": f"{settings.burst:g}",
            "x-ratelimit-remaining": str(bucket.left(who)),
            "x-ratelimit-reset": "1",
        }

    def rest(hub: Hub, api_key: str) -> Requests:
        sockets.accept(api_key)
        endpoints = Endpoints(
            hub.market,
            lambda: hub.now,
            api_key,
            page=settings.page,
            candles=settings.candles,
            taker=streams.taker,
        )
        return Requests(hub, endpoints, WORDS, announced)

    return SimVenue(
        name,
        CoinbaseMarkets(),
        streams,
        sockets,
        rest,
        bucket,
        faults=(*COMMON, "page_split"),
        rest_path=PREFIX,
        socket_paths=("",),
        flat_bars=False,
        batch_ms=BATCH_MS,
        agg_ids=False,
        folds=True,
        keyed=True,
        instants=micros,
        buffer_bytes=settings.buffer_bytes,
    )
