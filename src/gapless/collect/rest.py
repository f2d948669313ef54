"""Asks a venue by REST within the budget: reserve, wait, send, learn from the reply."""

import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from gapless.budget import circuit, learn
from gapless.budget.host import granted, observed, used_now
from gapless.budget.priority import Priority
from gapless.budget.state import Ceiling, HostState
from gapless.collect.gate import Gate
from gapless.errors import Banned, CouldNot, GaplessError, Refused, StoreError, Throttled
from gapless.model import HOUR, MINUTE, MS, SECOND
from gapless.ports import BudgetStore, Clock, Http, Reply
from gapless.venues.spec import Request, Venue

_STATE = msgspec.msgpack.Decoder(HostState)
_ENCODE = msgspec.msgpack.Encoder().encode
_IN_FLIGHT = 2
_LEAST_BAN = 2 * MINUTE  # a ban that is over by our reckoning, and yet was pronounced, lasts this long


class Spent(msgspec.Struct):
    """What a client has spent: requests sent, weight, replies that refused, failures of the network."""

    requests: int = 0
    weight: int = 0
    throttled: int = 0
    banned: int = 0
    failed: int = 0


class _Sending(msgspec.Struct):
    """A request on its way; `probe` is its mark where it tries a host anew, else 0.

    `account` is charged beside the client; `leaves` says that it does not wait for a ban to end.
    """

    host: str
    weight: int
    priority: Priority
    account: Spent
    leaves: bool
    probe: int = 0


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
        self._gate = Gate(clock, _IN_FLIGHT)
        self._flying = 0
        self._failures = 0
        self._resting_until = 0
        self._announced = 0
        self._last: HostState | None = None

    @property
    def keyed(self) -> bool:
        """Whether an API key is set."""
        return self._api_key is not None

    async def get(
        self, request: Request, *, patient: bool = True, priority: Priority = Priority.TRADES,
        account: Spent | None = None, through_bans: bool = True,
    ) -> bytes:  # fmt: skip
        """Send a request when the budget allows, the most important first, and give the body.

        Waits out throttling, bans and failures while `patient`; else raises what happened. After `give_up` failures
        in a row of a venue that does not answer, it raises too, and at a ban unless it goes on `through_bans`.
        What is sent is counted in `account` too.
        """
        host = urlsplit(request.url).netloc
        sending = _Sending(host, request.weight, priority, account or Spent(), not through_bans)
        place = self._gate.place(priority)
        while True:
            async with self._gate.turn(place, partial(self._ask, sending)):
                try:
                    return await self._send(sending, request)
                except (Refused, StoreError):
                    raise
                except CouldNot as trouble:
                    if not patient or self._failures == self._give_up:
                        raise
                    if sending.leaves and isinstance(trouble, Banned):
                        raise

    def _ask(self, sending: _Sending) -> int:
        """Reserve what a request costs; give 0, or how many ns to wait."""
        rest = self._resting_until - self._clock.monotonic()
        if rest > 0:
            return rest
        answer = 0
        now = self.now()

        def change(record: bytes | None) -> bytes | None:
            nonlocal answer
            before = self._announcing(_state(record))
            state, answer = granted(before, sending.weight, self._ceiling, now, sending.priority)
            sending.probe = state.probe if state.blocked_until and not answer else 0
            self._last = state
            return None if answer else _ENCODE(state)

        self._budget.update(sending.host, change)
        if answer:
            self._tell(sending.host)
            if sending.leaves and self._last and (left := circuit.ban(self._last, now)):
                raise Banned(left)
        return answer

    def _tell(self, host: str) -> None:
        """Say, once a block, that nothing leaves before it ends."""
        state = self._last
        if state and state.blocked_until > self.now() and state.blocked_until != self._told:
            self._told = state.blocked_until
            seconds = round((state.blocked_until - self.now()) / SECOND, 1)
            self._note("blocked", self._venue.name, host=host, reason=state.reason, seconds=seconds)

    async def _send(self, sending: _Sending, request: Request) -> bytes:
        for account in (self.spent, sending.account):
            account.requests += 1
            account.weight += request.weight
        self._flying += request.weight
        try:
            reply = await self._http.get(request.url, self._headers(request))
        except CouldNot as trouble:
            self._failed(sending, trouble)
            raise
        except BaseException:
            self._change(sending.host, lambda state: circuit.abandoned(state, sending.probe))
            raise
        else:
            self._learn(sending, reply)
            return reply.body
        finally:
            self._flying -= request.weight

    def _headers(self, request: Request) -> dict[str, str]:
        key = {self._venue.history.key_header: self._api_key} if request.keyed and self._api_key else {}
        return {**dict(request.headers), **key}

    def _learn(self, sending: _Sending, reply: Reply) -> None:
        """Take from a reply what the host counts and how it stands; raise what is wrong with it."""
        now = self.now()
        used = self._venue.history.used_weight(reply.headers)
        if used is not None:
            self._change(sending.host, lambda state: observed(state, used, now))
        trouble = self._venue.history.refusal(reply.status, reply.headers, reply.body, now)
        if isinstance(trouble, Banned):
            self.spent.banned += 1
            wait = trouble.wait if trouble.wait > 0 else _LEAST_BAN
            self._change(sending.host, lambda state: circuit.banned(state, now, wait))
            self._tell(sending.host)
        elif isinstance(trouble, Throttled):
            self.spent.throttled += 1
            self._throttled(sending, trouble.wait, used, _date(reply.headers))
        elif trouble is None or isinstance(trouble, Refused):
            self._failures = 0
            self._change(sending.host, lambda state: _passed(state, sending.probe, used or 0, now))
        else:
            self._failed(sending, trouble)
        if trouble is not None:
            raise trouble

    def _throttled(self, sending: _Sending, wait: int | None, used: int | None, venue_now: int | None) -> None:
        """Block the host, and learn where its limit lies."""
        now = self.now()

        def change(state: HostState) -> HostState:
            counted = used_now(state, now) if used is None else used
            state = learn.taught(state, self._ceiling, now, used=counted, flying=self._flying, wait=wait)
            return circuit.refused(state, sending.probe, now, wait=wait, venue_now=venue_now)

        before, after = self._change(sending.host, change)
        if after.learned != before.learned:
            self._note("limit_learned", self._venue.name, host=sending.host, weight_per_minute=after.learned)

    def _failed(self, sending: _Sending, trouble: GaplessError) -> None:
        """Let this process rest, and open the circuit of a host that keeps failing."""
        now = self.now()
        self.spent.failed += 1
        self._failures += 1
        # The pause only spreads retries; nothing secret hangs on it.
        share = random.uniform(0.5, 1)  # noqa: S311
        self._change(sending.host, lambda state: circuit.failed(state, sending.probe, now, share=share))
        pause = circuit.pause(self._failures, share)
        self._resting_until = self._clock.monotonic() + pause
        self._note("request_failed", self._venue.name, reason=str(trouble), again_in=round(pause / SECOND, 1))

    def _change(self, host: str, change: Callable[[HostState], HostState]) -> tuple[HostState, HostState]:
        """Change what is known of a host; give it as it was and as it is."""
        before = after = HostState()

        def write(record: bytes | None) -> bytes | None:
            nonlocal before, after
            before = _state(record)
            after = change(before)
            return None if after == before else _ENCODE(after)

        self._budget.update(host, write)
        self._last = after
        return before, after

    def now(self) -> int:
        """Give the time in which windows and blocks are reckoned, ns UTC."""
        return self._began + self._clock.monotonic()

    def announced(self, limit: int | None) -> None:
        """Take the weight a minute that the venue announces; the lower of it and what is known otherwise counts."""
        self._announced = limit or 0

    def _announcing(self, state: HostState) -> HostState:
        return replace(state, announced=self._announced) if self._announced not in (0, state.announced) else state

    def limit(self, state: HostState) -> int:
        """Give the weight a minute that may be spent at a host as things stand, the reserve included."""
        return learn.limit_of(self._announcing(state), self._ceiling, self.now())

    def pressure(self) -> float:
        """Give the share of the current window's budget that is spent, 0 to 1."""
        if self._last is None or self._last.window != self.now() // MINUTE:
            return 0.0
        return min(self._last.used / self.limit(self._last), 1.0)

    def spacing(self) -> int:
        """Give how far apart (ns) our own ceilings keep requests, 0 without such a ceiling."""
        an_hour = self._ceiling.requests_per_hour
        return max(self._ceiling.min_interval_ms * MS, HOUR // an_hour if an_hour else 0)

    def blocked_for(self, url: str) -> int:
        """Give for how long (ns) nothing may leave for the host of an address, and say so; 0: it is not blocked."""
        host = urlsplit(url).netloc
        self._last = self.states().get(host, HostState())
        self._tell(host)
        return max(self._last.blocked_until - self.now(), 0)

    def banned_for(self, url: str) -> int:
        """Give for how long (ns) the host of an address has banned us, 0 where it has not."""
        return circuit.ban(self.states().get(urlsplit(url).netloc, HostState()), self.now())

    def states(self) -> dict[str, HostState]:
        """Give what is known of every host."""
        # Other records of the file, such as those of connections, have a blank in their names.
        return {host: _state(record) for host, record in self._budget.states().items() if " " not in host}


def _state(record: bytes | None) -> HostState:
    return _STATE.decode(record) if record else HostState()


def _passed(state: HostState, probe: int, used: int, now: int) -> HostState:
    return learn.disproved(circuit.succeeded(state, probe), used, now)


def _date(headers: dict[str, str]) -> int | None:
    """Read the host's own clock, ns UTC in whole seconds."""
    try:
        return int(parsedate_to_datetime(headers["date"]).timestamp()) * SECOND
    except (KeyError, ValueError):
        return None
