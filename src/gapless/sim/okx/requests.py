"""The REST side as a whole: endpoints, what is refused and how, headers."""

from __future__ import annotations

from email.utils import formatdate

from gapless.sim.faults.script import Entry
from gapless.sim.hub import Hub
from gapless.sim.limits import Verdict
from gapless.sim.okx.errors import error_reply, json_reply
from gapless.sim.okx.pages import History
from gapless.sim.okx.rest import Endpoints
from gapless.sim.okx.table import Table
from gapless.sim.pages import Spoiler
from gapless.sim.venue import Ask, Endpoint, Reply

TOO_MANY = b'{"msg":"Too Many Requests","code":"50011"}'
THROTTLE = "Rate limit reached. Please refer to API documentation and throttle requests accordingly"
TROUBLE = (
    error_reply("50001", "Service temporarily unavailable. Try again later", 503),
    error_reply("50026", "System error. Try again later", 500),
    Reply(502, b"<html><head><title>502 Bad Gateway</title></head></html>", {"Content-Type": "text/html"}),
)


class Requests:
    """Answers REST requests."""

    def __init__(self, hub: Hub, table: Table) -> None:
        """Takes the hub; no key is asked for."""
        self._hub = hub
        self._endpoints = Endpoints(table, hub.market, lambda: hub.now)
        self._spoiler = Spoiler(History(self._endpoints), hub.faults)
        self._trouble = 0

    def find(self, path: str) -> Endpoint | None:
        """Returns the endpoint of a path."""
        return self._endpoints.endpoints.get(path)

    def missing(self) -> Reply:
        """Answers a path that does not exist."""
        return json_reply(b'{"msg":"Not Found","code":"404","data":{}}', 404)

    def headers(self, who: str, arrived: float) -> dict[str, str]:
        """Returns the date in the venue's own clock; what is left of a limit is told nowhere."""
        return {"Date": formatdate(self._hub.now / 1000, usegmt=True)}

    def reply(self, body: str) -> Reply:
        """Wraps the body of a success."""
        return json_reply(body.encode())

    def spoilt(self, endpoint: Endpoint, ask: Ask, body: str) -> tuple[str, str | None]:
        """Returns the page to serve, and how it is wrong if such a fault is due."""
        return self._spoiler.page(endpoint.family, ask, body, endpoint.answer)

    def archive(self, path: str, now: int) -> bytes | None:
        """Returns nothing: no archives are simulated."""
        return None

    def refused(self, who: str, verdict: Verdict, entry: Entry | None, arrived: float) -> Reply | None:
        """Answers what the limiter refuses or a fault strikes; None: the request goes on."""
        kind = entry.kind if entry is not None else None
        if kind in ("http_429", "http_50011"):
            self._hub.limiter.totals.refused += 1
        if verdict == "429" or kind == "http_429":
            return json_reply(TOO_MANY, 429)
        if kind == "http_50011":
            return error_reply("50011", THROTTLE, 200)
        if kind == "http_5xx":
            self._trouble += 1
            reply = TROUBLE[self._trouble % len(TROUBLE)]
            return Reply(reply.status, reply.body, dict(reply.headers))
        return None
