"""The REST side of a venue that bans nobody, as a whole: what is refused and how, replies, headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from gapless.sim.faults.script import Entry
from gapless.sim.hub import Hub
from gapless.sim.limits import Verdict
from gapless.sim.pages import History, Spoiler
from gapless.sim.venue import Ask, Endpoint, Params, Reply

JSON = {"Content-Type": "application/json; charset=utf-8"}


def one(params: Params) -> int:
    """Counts a request as one."""
    return 1


class Endpoints(Protocol):
    """Endpoints by path, and what they tell of their pages."""

    def find(self, path: str) -> Endpoint | None:
        """Returns the endpoint of a path."""
        ...

    def history(self) -> History:
        """Tells of the pages of history."""
        ...


@dataclass(slots=True)
class Words:
    """What a venue says when it refuses: a path that does not exist, too many requests, trouble of its own in turn.

    `own` are its answers to faults that others do not have. `waits` tells that a refusal says for how long.
    """

    missing: Reply
    too_many: Reply
    trouble: Sequence[Reply]
    own: Mapping[str, Reply] = field(default_factory=dict)
    waits: bool = True


@dataclass(slots=True)
class Requests:
    """Answers REST requests; `announced` tells further headers."""

    hub: Hub
    endpoints: Endpoints
    words: Words
    announced: Callable[[str, float], dict[str, str]] | None = None
    _troubles: int = 0
    _spoiler: Spoiler = field(init=False)

    def __post_init__(self) -> None:
        """Makes who spoils pages."""
        self._spoiler = Spoiler(self.endpoints.history(), self.hub.faults)

    def find(self, path: str) -> Endpoint | None:
        """Returns the endpoint of a path."""
        return self.endpoints.find(path)

    def missing(self) -> Reply:
        """Answers a path that does not exist."""
        return _copied(self.words.missing)

    def headers(self, who: str, arrived: float) -> dict[str, str]:
        """Returns the date in the venue's own clock, and what the venue adds."""
        date = {"Date": formatdate(self.hub.now / 1000, usegmt=True)}
        return date if self.announced is None else {**date, **self.announced(who, arrived)}

    def reply(self, body: str) -> Reply:
        """Wraps the body of a success."""
        return Reply(200, body.encode(), dict(JSON))

    def refused(self, who: str, verdict: Verdict, entry: Entry | None, arrived: float) -> Reply | None:
        """Answers what the limiter refuses or a fault strikes; None: the request goes on."""
        kind = entry.kind if entry is not None else ""
        if verdict == "429" or kind == "http_429" or kind in self.words.own:
            if entry is not None:
                self.hub.limiter.totals.refused += 1
            reply = _copied(self.words.own.get(kind, self.words.too_many))
            if self.words.waits and entry is not None and entry.retry_after is not None:
                reply.headers["Retry-After"] = str(max(int(entry.retry_after + 0.999), 1))
            return reply
        if kind == "http_5xx":
            self._troubles += 1
            return _copied(self.words.trouble[self._troubles % len(self.words.trouble)])
        return None

    def spoilt(self, endpoint: Endpoint, ask: Ask, body: str) -> tuple[str, str | None]:
        """Returns the page to serve, and how it is wrong if such a fault is due."""
        return self._spoiler.page(endpoint.family, ask, body, endpoint.answer)

    def archive(self, path: str, now: int) -> bytes | None:
        """Has published no files."""
        return None


def _copied(reply: Reply) -> Reply:
    return Reply(reply.status, reply.body, dict(reply.headers))
