"""Asks a venue by REST within the budget: reserve, wait, send, learn from the reply."""

import asyncio
import random
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from gapless.budget.host import Ceiling, HostState, blocked, granted, observed, window_end
from gapless.budget.priority import Priority
from gapless.errors import Banned, CouldNot, Refused, Throttled
from gapless.model import MINUTE, SECOND
from gapless.ports import BudgetStore, Clock, Http, Reply
from gapless.venues.spec import Request, Venue

_STATE = msgspec.msgpack.Decoder(HostState)
_ENCODE = msgspec.msgpack.Encoder().encode
_IN_FLIGHT = 2
_WORST = 30.0  # seconds: no pause after failures is longer
_LEAST_BAN = 2 * MINUTE  # a ban that is over by our reckoning, and yet was pronounced, lasts this long


class Spent(msgspec.Struct):
    """What a client has spent: requests sent, weight, replies that refused, failures of the network."""

    requests: int = 0
    weight: int = 0
    throttled: int = 0
    banned: int = 0
    failed: int = 0


def _quiet(name: str, subject: str, **fields: object) -> None:
    """Note nothing."""


class RestClient:
    """The one way to a venue's REST host. While it is blocked, not one request leaves.

    Windows and blocks are reckoned in the machine's time as it was at the start plus what passed since: a jump of
    the wall clock neither ends a ban nor prolongs it.
    """

    def __init__(
        self, http: Http, budget: BudgetStore, clock: Clock, venue: Venue, ceiling: Ceiling, *,
        api_key: str | None, note: Callable[..., None] = _quiet, give_up: int | None = None,
    ) -> None:  # fmt: skip
        self.spent = Spent()
        self._http = http
        self._budget = budget
        self._clock = clock
        self._venue = venue
        self._ceiling = ceiling
        self._api_key = api_key
        self._note = note
        self._give_up = give_up
        self._began = clock.wall() - clock.monotonic()
        self._told = 0
        self._gate = asyncio.Semaphore(_IN_FLIGHT)
        self._failures = 0
        self._resting_until = 0
        self._last: HostState | None = None

    @property
    def keyed(self) -> bool:
        """Whether an API key is set."""
        return self._api_key is not None

    async def get(self, request: Request, *, patient: bool = True, priority: Priority = Priority.TRADES) -> bytes:
        """Send a request when the budget allows and give the body.

        Waits out throttling, bans and failures while `patient`; else raises what happened. After `give_up` failures
        in a row of a venue that does not answer, it raises too.
        """
        host = urlsplit(request.url).netloc
        while True:
            async with self._gate:
                await self._reserve(host, request.weight)
                self.spent.requests += 1
                self.spent.weight += request.weight
                try:
                    reply = await self._http.get(request.url, self._headers(request))
                    self._learn(host, reply)
                    self._failures = 0
                    return reply.body
                except Refused:
                    raise
                except CouldNot as trouble:
                    self._remember(host, trouble)
                    if not patient or self._failures == self._give_up:
                        raise

    async def _reserve(self, host: str, weight: int) -> None:
        while True:
            rest = self._resting_until - self._clock.monotonic()
            if rest > 0:
                await self._clock.sleep(rest)
                continue
            wait = self._ask(host, weight)
            if not wait:
                return
            self._tell(host)
            # Long waits are cut short so that a block lifted by another process is seen.
            await self._clock.sleep(min(wait, 5 * SECOND))

    def _ask(self, host: str, weight: int) -> int:
        answer = 0
        now = self._now()

        def change(record: bytes | None) -> bytes | None:
            nonlocal answer
            state, answer = granted(_state(record), weight, self._ceiling, now)
            self._last = state
            return None if answer else _ENCODE(state)

        self._budget.update(host, change)
        return answer

    def _tell(self, host: str) -> None:
        """Say, once a block, that nothing leaves before it ends."""
        state = self._last
        if state and state.blocked_until > self._now() and state.blocked_until != self._told:
            self._told = state.blocked_until
            seconds = round((state.blocked_until - self._now()) / SECOND, 1)
            self._note("blocked", self._venue.name, host=host, reason=state.reason, seconds=seconds)

    def _now(self) -> int:
        return self._began + self._clock.monotonic()

    def pressure(self) -> float:
        """Give the share of the current window's budget that is spent, 0 to 1."""
        if self._last is None or self._last.window != self._now() // MINUTE:
            return 0.0
        return min(self._last.used / self._ceiling.weight_per_minute, 1.0)

    def _headers(self, request: Request) -> dict[str, str]:
        return {self._venue.history.key_header: self._api_key} if request.keyed and self._api_key else {}

    def _learn(self, host: str, reply: Reply) -> None:
        now = self._now()
        used = self._venue.history.used_weight(reply.headers)
        if used is not None:

            def change(record: bytes | None) -> bytes | None:
                self._last = observed(_state(record), used, now)
                return _ENCODE(self._last)

            self._budget.update(host, change)
        trouble = self._venue.history.refusal(reply.status, reply.headers, reply.body, now)
        if trouble is not None:
            raise trouble

    def _remember(self, host: str, trouble: CouldNot) -> None:
        """Turn a refusal into a block of the host, a failure into a pause of this process."""
        now = self._now()
        if isinstance(trouble, Banned):
            self.spent.banned += 1
            wait = trouble.wait if trouble.wait > 0 else _LEAST_BAN
            self._block(host, now + wait + SECOND // 4, "banned (HTTP 418)")
        elif isinstance(trouble, Throttled):
            self.spent.throttled += 1
            until = window_end(now) if trouble.wait is None else now + trouble.wait
            self._block(host, until + SECOND // 4, "throttled (HTTP 429)")
        else:
            self.spent.failed += 1
            self._failures += 1
            # The pause only spreads retries; nothing secret hangs on it.
            pause = min(0.25 * 2 ** min(self._failures, 8), _WORST) * random.uniform(0.5, 1)  # noqa: S311
            self._resting_until = self._clock.monotonic() + int(pause * SECOND)
            self._note("request_failed", self._venue.name, reason=str(trouble), again_in=round(pause, 1))

    def _block(self, host: str, until: int, reason: str) -> None:
        self._budget.update(host, lambda record: _ENCODE(blocked(_state(record), until, reason)))

    def states(self) -> dict[str, HostState]:
        """Give what is known of every host."""
        return {host: _state(record) for host, record in self._budget.states().items()}


def _state(record: bytes | None) -> HostState:
    return _STATE.decode(record) if record else HostState()
