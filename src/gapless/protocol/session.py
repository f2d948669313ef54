"""One connection without I/O: it is told what happened and answers with what to do.

Times are monotonic ns of real time: nothing here depends on how fast the market runs.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from gapless.model import SECOND
from gapless.protocol.phases import CONNECTION, SUBSCRIPTION, Phase, Subscribed
from gapless.venues.spec import Control, Stream

_TRADES = ("agg", "trade")


class Send(Struct, frozen=True):
    """Send a text frame."""

    text: str


class Probe(Struct, frozen=True):
    """Ask the venue whether a stream that is silent should have spoken."""

    stream: Stream


class Close(Struct, frozen=True):
    """Close the connection; a new one takes over."""

    code: int
    reason: str


Action = Send | Probe | Close


class Watch(Struct, frozen=True, kw_only=True):
    """How long silence is borne, ns of real time.

    A stream is asked about when it was silent for `idle_factor` of its own mean intervals, at least `idle` and at
    most `idle_most`; one that never spoke, `first_data` after its acknowledgement; bars, tickers and quotes, which
    follow trades, `follower_idle` while trades of the same instrument flow.
    """

    acknowledgement: int = 5 * SECOND
    first_data: int = 3 * SECOND
    idle: int = 3 * SECOND
    idle_factor: int = 20
    idle_most: int = 60 * SECOND
    follower_idle: int = 10 * SECOND
    names_per_message: int = 100


class Subscription(Struct):
    """One stream of a connection: its phase, when it last spoke, and how often it does."""

    stream: Stream
    phase: Subscribed = Subscribed.WANTED
    since: int = 0
    last: int = 0
    events: int = 0
    mean: float = 0.0
    asked: int = 0
    patience: int = 0
    silences: int = 0
    reason: str = ""

    def moves(self, phase: Subscribed, now: int) -> None:
        """Change the phase."""
        if phase not in SUBSCRIPTION[self.phase]:
            raise AssertionError(f"{self.stream.name} may not go from {self.phase.value} to {phase.value}")
        self.phase = phase
        self.since = now


class Session:
    """The subscriptions of one connection: sent, confirmed, live, rejected, silent.

    `flowed` says when trades of an instrument last came, on whatever connection: bars, tickers, quotes and depth
    follow them. A message that is refused is asked again in halves, one message a tick, until the names that the
    venue does not like stand alone.
    """

    def __init__(
        self,
        streams: Iterable[Stream],
        *,
        subscribe: Callable[[Sequence[str], int], str],
        unsubscribe: Callable[[Sequence[str], int], str],
        watch: Watch,
        flowed: Callable[[str], int] = lambda instrument: 0,
    ) -> None:
        self.phase = Phase.IDLE
        self.subscriptions = {stream.name: Subscription(stream) for stream in streams}
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._watch = watch
        self._flowed = flowed
        self._requests: dict[int, list[str]] = {}
        self._parts: list[list[str]] = []
        self._next = 1

    def opened(self, now: int) -> list[Action]:
        """Learn that the connection stands: subscribe to everything, in as few messages as can be."""
        self._go(Phase.OPEN)
        return self._ask(list(self.subscriptions), now)

    def closed(self) -> None:
        """Learn that the connection is over."""
        if self.phase is not Phase.CLOSED:
            self._go(Phase.CLOSED)

    def replied(self, controls: Iterable[Control], now: int) -> list[Stream]:
        """Match replies to what was asked; give the streams that were rejected."""
        rejected: list[Stream] = []
        for control in controls:
            names = self._requests.pop(control.id or 0, [])
            if control.error is not None and len(names) > 1:
                self._halve(names, now)
                continue
            for name in names:
                subscription = self.subscriptions[name]
                if control.error is not None:
                    if subscription.phase is not Subscribed.PENDING:
                        continue
                    subscription.moves(Subscribed.REJECTED, now)
                    subscription.reason = control.error
                    rejected.append(subscription.stream)
                elif subscription.phase is Subscribed.PENDING:
                    subscription.moves(Subscribed.CONFIRMED, now)
        return rejected

    def _halve(self, names: list[str], now: int) -> None:
        """Put the names of a refused message back, to be asked for in two messages."""
        back = [name for name in names if self.subscriptions[name].phase is Subscribed.PENDING]
        for name in back:
            self.subscriptions[name].moves(Subscribed.WANTED, now)
        middle = (len(back) + 1) // 2
        self._parts += [part for part in (back[:middle], back[middle:]) if part]

    def delivered(self, name: str, events: int, now: int) -> None:
        """Learn that a stream spoke: only that makes it live."""
        subscription = self.subscriptions.get(name)
        if subscription is None:
            return
        if subscription.phase is not Subscribed.LIVE:
            if subscription.phase in (Subscribed.WANTED, Subscribed.REJECTED):
                return
            subscription.moves(Subscribed.LIVE, now)
            subscription.last = now
        gap = (now - subscription.last) / events
        subscription.mean = gap if not subscription.mean else 0.9 * subscription.mean + 0.1 * gap
        subscription.last = now
        subscription.events += events
        subscription.patience = 0
        subscription.silences = 0

    def ticked(self, now: int) -> list[Action]:
        """Look for what should have come: acknowledgements and data. At most one message goes out."""
        if self.phase is not Phase.OPEN:
            return []
        actions: list[Action] = self._ask(self._parts.pop(0), now) if self._parts else []
        for subscription in self.subscriptions.values():
            phase = subscription.phase
            if phase is Subscribed.PENDING and now - subscription.since > self._watch.acknowledgement:
                return [self._close("a subscription was not acknowledged")]
            if phase in (Subscribed.CONFIRMED, Subscribed.LIVE) and now - subscription.asked > self._limit(
                subscription
            ):
                actions += self._suspected(subscription, now, spent=any(isinstance(a, Send) for a in actions))
                if self.phase is not Phase.OPEN:
                    break
        return actions

    def _limit(self, subscription: Subscription) -> int:
        watch = self._watch
        if subscription.phase is Subscribed.CONFIRMED:
            base = watch.first_data
        else:
            base = min(max(watch.idle, int(subscription.mean * watch.idle_factor)), watch.idle_most)
        return max(base, subscription.patience)

    def _suspected(self, subscription: Subscription, now: int, *, spent: bool) -> list[Action]:
        spoke = max(subscription.last, subscription.since)
        limit = self._limit(subscription)
        if now - spoke <= limit:
            return []
        if subscription.stream.kind in _TRADES:
            subscription.asked = now
            return [Probe(subscription.stream)]
        led = self._flowed(subscription.stream.instrument)
        if spent or now - spoke <= self._watch.follower_idle or led <= spoke + limit // 2:
            return []
        return self.silent(subscription.stream.name, now)

    def in_time(self, now: int) -> list[str]:
        """List the instruments whose trades came within the time that their own rate lets expect."""
        return [
            subscription.stream.instrument
            for subscription in self.subscriptions.values()
            if subscription.stream.kind in _TRADES
            and subscription.phase is Subscribed.LIVE
            and now - subscription.last <= self._limit(subscription)
        ]

    def quiet(self, name: str) -> None:
        """Learn from a probe that nothing was due: wait longer before the next."""
        if subscription := self.subscriptions.get(name):
            subscription.patience = min(max(self._limit(subscription) * 2, self._watch.idle), self._watch.idle_most)

    def silent(self, name: str, now: int) -> list[Action]:
        """Learn that a stream is acknowledged and silent: subscribe anew, and if that fails leave the connection."""
        subscription = self.subscriptions.get(name)
        if subscription is None or self.phase is not Phase.OPEN:
            return []
        if subscription.phase not in (Subscribed.CONFIRMED, Subscribed.LIVE):
            return []  # the answer to a probe came late: it is asked for again already
        subscription.silences += 1
        if subscription.silences > 1:
            return [self._close(f"{name} is acknowledged and silent")]
        number = self._number()
        self._requests[number] = []
        subscription.moves(Subscribed.WANTED, now)
        self._parts.append([name])
        return [Send(self._unsubscribe([name], number))]

    def _ask(self, names: list[str], now: int) -> list[Action]:
        actions: list[Action] = []
        size = self._watch.names_per_message
        for at in range(0, len(names), size):
            part = names[at : at + size]
            number = self._number()
            self._requests[number] = part
            for name in part:
                self.subscriptions[name].moves(Subscribed.PENDING, now)
                self.subscriptions[name].asked = now
            actions.append(Send(self._subscribe(part, number)))
        return actions

    def _close(self, reason: str) -> Close:
        self._go(Phase.CLOSING)
        return Close(1000, reason)

    def _number(self) -> int:
        number = self._next
        self._next += 1
        return number

    def _go(self, phase: Phase) -> None:
        if phase not in CONNECTION[self.phase]:
            raise AssertionError(f"a connection may not go from {self.phase.value} to {phase.value}")
        self.phase = phase
