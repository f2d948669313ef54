"""One connection without I/O: it is told what happened and answers with what to do.

Times are monotonic ns of real time: nothing here depends on how fast the market runs.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct, field

from gapless.model import HOUR, MS, SECOND
from gapless.protocol.phases import CONNECTION, SUBSCRIPTION, Phase, Subscribed
from gapless.protocol.rate import Rate
from gapless.venues.spec import Control, Stream

TRADES = ("agg", "span", "trade")
_RACE = 2 * SECOND


class Send(Struct, frozen=True):
    """Send a text frame."""

    text: str


class Probe(Struct, frozen=True):
    """Find out whether a stream that is silent should have spoken."""

    stream: Stream


class Replace(Struct, frozen=True):
    """Open a successor of this connection, and leave it when that has taken over."""

    reason: str


class Renew(Struct, frozen=True):
    """Have the book of an instrument begun anew: of its changes some were lost."""

    stream: Stream


Action = Send | Probe | Replace | Renew


class Watch(Struct, frozen=True, kw_only=True):
    """How long silence is borne, ns of real time.

    A stream is asked about when it was silent for `idle_factor` of its own mean intervals, at least `idle` and at
    most `idle_most`; sooner, after `told`, when its siblings (bars, tickers) name an id that it has not brought; one
    that never spoke, `first_data` after its acknowledgement; bars, tickers and quotes, which follow trades,
    `follower_idle` while trades of the same instrument flow. A connection on which `messages_per_hour` were sent within
    an hour is left when it would have to send another.
    """

    acknowledgement: int = 5 * SECOND
    first_data: int = 3 * SECOND
    told: int = SECOND
    idle: int = 1_500 * MS
    idle_factor: int = 7
    idle_most: int = 60 * SECOND
    follower_idle: int = 10 * SECOND
    heartbeat: int = 5 * SECOND
    names_per_message: int = 100
    messages_per_hour: int | None = None


class Subscription(Struct):
    """One stream of a connection: its phase, when it last spoke, and how often it does."""

    stream: Stream
    phase: Subscribed = Subscribed.WANTED
    since: int = 0
    last: int = 0
    events: int = 0
    rate: Rate = field(default_factory=Rate)
    asked: int = 0
    led: int = 0
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
    follow them. `told` says since when others have named an id of an instrument's trades that has not come, 0 where
    all has; `agreed`, when they last named none such. A message that is refused is asked again in halves, one message
    a tick, until the names that the venue does not like stand alone.
    """

    def __init__(
        self,
        streams: Iterable[Stream],
        *,
        subscribe: Callable[[Sequence[str], int], list[str]],
        unsubscribe: Callable[[Sequence[str], int], list[str]],
        watch: Watch,
        flowed: Callable[[str], int] = lambda instrument: 0,
        told: Callable[[str], int] = lambda instrument: 0,
        agreed: Callable[[str], int] = lambda instrument: 0,
    ) -> None:
        self.phase = Phase.IDLE
        self.subscriptions = {stream.name: Subscription(stream) for stream in streams}
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._watch = watch
        self._flowed = flowed
        self._told = told
        self._agreed = agreed
        self._requests: dict[int, list[str]] = {}
        self._queue: list[tuple[bool, list[str]]] = []
        self._next = 1
        self._sent: deque[int] = deque(maxlen=watch.messages_per_hour or 0)
        self._number_of_frame: int | None = None
        self._doubted: set[str] = set()

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
            names = self._spoken_of(control)
            if control.error is not None and len(names) > 1 and not control.names:
                self._halve(names, now)
                continue
            for name in names:
                subscription = self.subscriptions[name]
                if subscription.phase is not Subscribed.PENDING:
                    continue
                if control.error is not None:
                    subscription.moves(Subscribed.REJECTED, now)
                    subscription.reason = control.error
                    rejected.append(subscription.stream)
                else:
                    subscription.moves(Subscribed.CONFIRMED, now)
        return rejected

    @property
    def confirmed(self) -> int:
        """How many of its streams the venue has acknowledged."""
        good = (Subscribed.CONFIRMED, Subscribed.LIVE)
        return sum(one.phase in good for one in self.subscriptions.values())

    @property
    def answered(self) -> bool:
        """Whether the venue has answered for every stream, and none is still to be asked for."""
        open_ones = (Subscribed.WANTED, Subscribed.PENDING)
        return all(one.phase not in open_ones for one in self.subscriptions.values())

    def _spoken_of(self, control: Control) -> list[str]:
        """List the streams that a reply speaks of."""
        if control.names:
            return [name for name in control.names if name in self.subscriptions]  # a venue may list all that it sends
        return self._requests.pop(control.id or 0, [])

    def _pending(self, names: list[str]) -> list[str]:
        return [name for name in names if self.subscriptions[name].phase is Subscribed.PENDING]

    def _halve(self, names: list[str], now: int) -> None:
        """Put the names of a refused message back, to be asked for in two messages."""
        back = self._pending(names)
        for name in back:
            self.subscriptions[name].moves(Subscribed.WANTED, now)
        middle = (len(back) + 1) // 2
        self._queue += [(True, part) for part in (back[:middle], back[middle:]) if part]

    def delivered(self, name: str, events: int, now: int) -> None:
        """Learn that a stream spoke: only that makes it live."""
        subscription = self.subscriptions.get(name)
        if subscription is None:
            return
        if subscription.phase is not Subscribed.LIVE:
            if subscription.phase in (Subscribed.WANTED, Subscribed.REJECTED):
                return
            subscription.moves(Subscribed.LIVE, now)
        subscription.rate.heard(now)
        subscription.last = now
        subscription.events += events
        subscription.patience = 0
        subscription.silences = 0

    def counted(self, numbers: Iterable[int]) -> int:
        """Take the numbers of the frames of a batch; give how many frames are missing between them.

        What they brought nobody knows: every stream of trades is asked about, and every book begun anew.
        """
        lost = 0
        for number in numbers:
            expected = number if self._number_of_frame is None else self._number_of_frame + 1
            lost += max(number - expected, 0)
            self._number_of_frame = max(number, expected - 1)
        if lost:
            self._doubted = {name for name, one in self.subscriptions.items() if one.stream.kind in (*TRADES, "depth")}
        return lost

    def ticked(self, now: int) -> list[Action]:
        """Look for what should have come: acknowledgements and data. At most one message goes out, and one probe."""
        if self.phase is not Phase.OPEN:
            return []
        actions = self._next_message(now)
        suspects: list[Subscription] = []
        for subscription in self.subscriptions.values():
            phase = subscription.phase
            if phase is Subscribed.PENDING and now - subscription.asked > self._watch.acknowledgement:
                return [self._leave("a subscription was not acknowledged")]
            if phase not in (Subscribed.CONFIRMED, Subscribed.LIVE):
                continue
            name, kind = subscription.stream.name, subscription.stream.kind
            if kind in TRADES:
                if name in self._doubted or self._is_suspect(subscription, now):
                    suspects.append(subscription)
            elif name in self._doubted:
                self._doubted.discard(name)
                actions.append(Renew(subscription.stream))
            elif self._is_overdue(subscription, now):
                actions += self.silent(name, now)
                if self.phase is not Phase.OPEN:
                    return actions
        if suspects:
            # The fastest has the most to tell, and where the whole route is silent one answer is enough.
            doubted = [one for one in suspects if one.stream.name in self._doubted]
            suspect = min(doubted or suspects, key=lambda one: (not one.rate.mean, one.rate.mean))
            self._doubted.discard(suspect.stream.name)
            suspect.asked = now
            actions.append(Probe(suspect.stream))
        return actions

    def limit(self, subscription: Subscription) -> int:
        """Give how long a stream may be silent at its own rate, ns."""
        watch = self._watch
        if not subscription.events:
            return watch.first_data
        return min(max(watch.idle, int(subscription.rate.mean * watch.idle_factor)), watch.idle_most)

    def _is_suspect(self, subscription: Subscription, now: int) -> bool:
        """Say whether trades should have come: by their own rate, or by what their siblings tell."""
        since = max(subscription.last, subscription.since, self._agreed(subscription.stream.instrument))
        patience = max(self.limit(subscription), subscription.patience)
        if now - subscription.asked > patience and now - since > patience:
            return True
        told, watch = self._told(subscription.stream.instrument), self._watch
        return bool(told) and now - told > watch.told and now - subscription.asked > 2 * watch.told

    def _is_overdue(self, subscription: Subscription, now: int) -> bool:
        """Say whether something other than trades should have come: heartbeats by the clock, the rest after trades."""
        if subscription.stream.kind != "heartbeat":
            return self._is_left_behind(subscription, now)
        return now - max(subscription.last, subscription.since, subscription.asked) > self._watch.heartbeat

    def _is_left_behind(self, subscription: Subscription, now: int) -> bool:
        """Say whether a stream that follows trades did not follow them: the first that it missed is long past.

        What comes within two seconds of its last word may have been in it: trades and what is made of them race.
        """
        since = max(subscription.last, subscription.since, subscription.asked) + _RACE
        led = self._flowed(subscription.stream.instrument)
        if led <= since:
            return False
        if subscription.led <= since:
            subscription.led = led
        return now - subscription.led > self._watch.follower_idle

    def in_time(self, now: int) -> list[str]:
        """List the instruments whose trades came, or shown not to be due, within the time that their rate allows."""
        return [
            subscription.stream.instrument
            for subscription in self.subscriptions.values()
            if subscription.stream.kind in TRADES
            and subscription.phase in (Subscribed.CONFIRMED, Subscribed.LIVE)
            and now - max(subscription.last, self._agreed(subscription.stream.instrument)) <= self.limit(subscription)
        ]

    def resumed(self, now: int) -> None:
        """Learn that reading goes on after a pause: what was not read is no silence."""
        for subscription in self.subscriptions.values():
            subscription.asked = now

    def quiet(self, name: str) -> None:
        """Learn from a probe that nothing was due: wait longer before the next."""
        if subscription := self.subscriptions.get(name):
            limit = max(self.limit(subscription), subscription.patience)
            subscription.patience = min(limit * 2, self._watch.idle_most)

    def silent(self, name: str, now: int) -> list[Action]:
        """Learn that a stream is acknowledged and silent: subscribe anew; leave where that failed or nothing comes."""
        subscription = self.subscriptions.get(name)
        if subscription is None or self.phase is not Phase.OPEN:
            return []
        if subscription.phase not in (Subscribed.CONFIRMED, Subscribed.LIVE):
            return []  # the answer to a probe came late: it is asked for again already
        subscription.silences += 1
        if subscription.silences > 1:
            return [self._leave(f"{name} is acknowledged and silent")]
        if self._nothing_comes(now):
            return [self._leave("nothing comes any more")]
        self.renew(name, now)
        return []

    def _nothing_comes(self, now: int) -> bool:
        """Say whether several streams have delivered and none of them does: then the route is silent."""
        live = [one for one in self.subscriptions.values() if one.phase is Subscribed.LIVE]
        return len(live) > 1 and all(now - one.last > self._watch.told for one in live)

    def stays(self) -> None:
        """Learn that no successor could take over: this connection goes on."""
        if self.phase is Phase.LEAVING:
            self._go(Phase.OPEN)

    def leaves(self) -> None:
        """Learn that a successor is being opened: what is silent here is no longer looked after."""
        if self.phase is Phase.OPEN:
            self._go(Phase.LEAVING)

    def renew(self, name: str, now: int) -> None:
        """Have a stream leave and come again, so that it begins anew."""
        subscription = self.subscriptions.get(name)
        if subscription is not None and subscription.phase in (Subscribed.CONFIRMED, Subscribed.LIVE):
            subscription.moves(Subscribed.WANTED, now)
            self._queue += [(False, [name]), (True, [name])]

    def _next_message(self, now: int) -> list[Action]:
        """Give the next message that waits: venues count messages a second."""
        if not self._queue:
            return []
        if len(self._sent) == self._watch.messages_per_hour and now - self._sent[0] < HOUR:
            return [self._leave("it has taken all messages that it may in an hour")]
        wanted, names = self._queue.pop(0)
        if wanted:
            return self._ask(names, now)
        return self._send(self._unsubscribe(names, self._number()), now)

    def _ask(self, names: list[str], now: int) -> list[Action]:
        actions: list[Action] = []
        size = self._watch.names_per_message
        self._requests = {number: asked for number, asked in self._requests.items() if self._pending(asked)}
        for at in range(0, len(names), size):
            part = names[at : at + size]
            number = self._number()
            self._requests[number] = part
            for name in part:
                self.subscriptions[name].moves(Subscribed.PENDING, now)
                self.subscriptions[name].asked = now
            actions += self._send(self._subscribe(part, number), now)
        return actions

    def _send(self, texts: list[str], now: int) -> list[Action]:
        self._sent.extend([now] * len(texts))
        return [Send(text) for text in texts]

    def _leave(self, reason: str) -> Replace:
        self._go(Phase.LEAVING)
        return Replace(reason)

    def _number(self) -> int:
        number = self._next
        self._next += 1
        return number

    def _go(self, phase: Phase) -> None:
        if phase not in CONNECTION[self.phase]:
            raise AssertionError(f"a connection may not go from {self.phase.value} to {phase.value}")
        self.phase = phase
