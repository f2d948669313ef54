"""The REST side as a whole: endpoints, what is refused and how, headers, archives."""

from __future__ import annotations

import time
from email.utils import formatdate

from gapless.sim.binance.archives import archive_reply
from gapless.sim.binance.errors import json_reply, refusal
from gapless.sim.binance.pages import History
from gapless.sim.binance.rest import Endpoints
from gapless.sim.binance.venue import Venue
from gapless.sim.faults.script import Entry
from gapless.sim.hub import Hub
from gapless.sim.limits import Limiter, Verdict
from gapless.sim.pages import Spoiler
from gapless.sim.venue import Ask, Endpoint, Reply

TROUBLE = (
    '{"code":-1000,"msg":"Unknown error, please check your request or try again later."}',
    '{"code":-1001,"msg":"Internal error; unable to process your request. Please try again."}',
    '{"code":-1008,"msg":"Server is currently overloaded with other requests. Please try again in a few minutes."}',
    "Service Unavailable.",
)
ADVICE = "Please use the websocket for"
SPOT_ADVICE = "Please use WebSocket Streams for"


class Requests:
    """Answers REST requests of one Binance."""

    def __init__(self, hub: Hub, venue: Venue, limiter: Limiter, api_key: str) -> None:
        """Takes the hub; `api_key` is the one that is accepted."""
        self._hub = hub
        self._venue = venue
        self._limiter = limiter
        self._endpoints = Endpoints(venue, hub.market, api_key, lambda: hub.now)
        self._spoiler = Spoiler(History(self._endpoints), hub.faults)
        self._trouble = 0

    def find(self, path: str) -> Endpoint | None:
        """Returns the endpoint of a path."""
        return self._endpoints.endpoints.get(path)

    def missing(self) -> Reply:
        """Answers a path that does not exist."""
        return Reply(404, b"<html><body><h1>404 Not found</h1></body></html>", {"Content-Type": "text/html"})

    def headers(self, who: str, arrived: float) -> dict[str, str]:
        """Returns the date in the venue's own clock, and the weight used."""
        return {
            "Date": formatdate(self._hub.now / 1000, usegmt=True),
            "X-MBX-USED-WEIGHT-1M": str(self._limiter.used(who, arrived)),
        }

    def reply(self, body: str) -> Reply:
        """Wraps the body of a success."""
        return json_reply(body.encode())

    def spoilt(self, endpoint: Endpoint, ask: Ask, body: str) -> tuple[str, str | None]:
        """Returns the page to serve, and how it is wrong if such a fault is due."""
        return self._spoiler.page(endpoint.family, ask, body, endpoint.answer)

    def archive(self, path: str, now: int) -> bytes | None:
        """Returns a daily file or its checksum."""
        return archive_reply(self._hub.market, self._venue, path, now)

    def refused(self, who: str, verdict: Verdict, entry: Entry | None, arrived: float) -> Reply | None:
        """Answers what the limiter refuses or a fault strikes; None: the request goes on."""
        kind = entry.kind if entry is not None else None
        if entry is not None and kind == "http_418":
            self._limiter.ban(who, entry.ban_seconds, arrived, caused=False)
            self._limiter.totals.refused += 1
            verdict = "418"
        if verdict == "418":
            return self._banned(who, entry)
        if verdict == "429" or kind == "http_429":
            return self._too_many(who, entry)
        if kind == "http_5xx":
            self._trouble += 1
            return json_reply(TROUBLE[self._trouble % len(TROUBLE)].encode(), 503)
        return None

    def _banned(self, who: str, entry: Entry | None) -> Reply:
        address, now = self._limiter.addresses[who], time.time()
        # in the venue's own clock, which is what a client can compare it with; the seconds left are real
        until = self._hub.now + int((address.banned_until - now) * 1000)
        if self._venue.futures:
            words = f"Way too many requests; IP({who}) banned until {until}. {ADVICE} live updates to avoid bans."
        else:
            words = (
                f"Way too much request weight used; IP banned until {until}. {SPOT_ADVICE} live updates to avoid bans."
            )
        reply = refusal(-1003, words, 418).reply
        if self._venue.retry_after and (entry is None or entry.retry_after is not None):
            reply.headers["Retry-After"] = str(max(int(address.banned_until - now + 0.999), 1))
        self._limiter.delivered(who, 418, now, None)
        return reply

    def _too_many(self, who: str, entry: Entry | None) -> Reply:
        limit, now = self._limiter.limit, time.time()
        if entry is not None:
            self._limiter.totals.refused += 1
        if self._venue.futures:
            words = (
                f"Too many requests; current limit is {limit} requests per minute. {ADVICE} live updates to avoid bans."
            )
        else:
            used = f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
            words = f"{used} {SPOT_ADVICE} live updates to avoid polling the API."
        reply = refusal(-1003, words, 429).reply
        after: float | None = entry.retry_after if entry is not None else None
        if entry is None and self._venue.retry_after and not self._venue.futures:
            after = (now // 60 + 1) * 60 - now
        if after is not None:
            reply.headers["Retry-After"] = str(max(int(after + 0.999), 1))
            after = float(reply.headers["Retry-After"])
        self._limiter.delivered(who, 429, now, after)
        return reply
