"""Asks a venue as the collector does, within the budget of the machine, and remembers how each reply came."""

from urllib.parse import urlsplit

from msgspec import Struct

from gapless.budget.priority import Priority
from gapless.budget.state import Ceiling
from gapless.collect.rest import RestClient
from gapless.errors import Banned, CouldNot, Throttled, Unavailable
from gapless.model import SECOND
from gapless.ports import BudgetStore, Clock, Http, Reply
from gapless.venues.spec import Request, Venue

_TRIES = 3
_BEARABLE = 90 * SECOND  # a longer block is not waited out


class Exchange(Struct, frozen=True):
    """One request and its reply, with the machine's and the monotonic time around it, ns."""

    url: str
    reply: Reply
    wall: tuple[int, int]
    mono: tuple[int, int]


class Blocked(CouldNot):
    """The host may not be asked for longer than anyone would wait."""


class Overheard:
    """An `Http` that remembers its exchanges."""

    def __init__(self, http: Http, clock: Clock) -> None:
        self.exchanges: list[Exchange] = []
        self._http = http
        self._clock = clock

    async def get(self, url: str, headers: dict[str, str]) -> Reply:
        """Send one GET."""
        wall, mono = self._clock.wall(), self._clock.monotonic()
        reply = await self._http.get(url, headers)
        kept = Reply(reply.status, reply.headers, b"")
        took = (self._clock.wall(), self._clock.monotonic())
        self.exchanges.append(Exchange(url, kept, (wall, took[0]), (mono, took[1])))
        return reply


class Asking:
    """Asks a venue, never with a key, a few times where it fails."""

    def __init__(self, http: Http, budgets: BudgetStore, clock: Clock, venue: Venue, ceiling: Ceiling) -> None:
        self.http = Overheard(http, clock)
        self.venue = venue
        self.clock = clock
        self._client = RestClient(self.http, budgets, clock, venue, ceiling, api_key=None)

    @property
    def last(self) -> Exchange:
        """The newest exchange."""
        return self.http.exchanges[-1]

    def used(self) -> int | None:
        """Give the weight that the venue says was used, by its newest reply."""
        return self.venue.history.used_weight(self.last.reply.headers)

    def spent(self) -> dict[str, int]:
        """Give what was spent so far."""
        return {"requests": self._client.spent.requests, "weight": self._client.spent.weight}

    async def get(self, request: Request) -> bytes:
        """Send a request and give the body; raises `Banned` or `Blocked` where no more may leave for long."""
        for left in range(_TRIES - 1, -1, -1):
            self._mind_blocks(request)
            try:
                return await self._client.get(request, patient=False, priority=Priority.BACKFILL)
            except Banned:
                raise
            except (Unavailable, Throttled):
                if not left:
                    raise
        raise AssertionError("a try ends with a reply or an error")

    def _mind_blocks(self, request: Request) -> None:
        left = self._client.blocked_for(request.url)
        if left > _BEARABLE:
            host = urlsplit(request.url).netloc
            reason = self._client.states()[host].reason
            raise Blocked(f"{host} may not be asked for another {left / SECOND:.0f} s: {reason}")
