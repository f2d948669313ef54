"""One connection to a venue, kept up: connect, subscribe, read, reconnect, and replaced without a hole."""

import asyncio
import random
from collections.abc import Callable
from functools import partial

from gapless.collect.leg import Ended, Hooks, Leg
from gapless.collect.pipeline import Pipeline
from gapless.collect.tally import Tally
from gapless.errors import StoreError, Unavailable
from gapless.model import MS, SECOND
from gapless.ports import Clock, Sockets
from gapless.protocol.overlap import LIMIT, Overlap
from gapless.protocol.phases import Phase
from gapless.protocol.session import Action, Probe, Renew, Send, Session, Watch
from gapless.venues.spec import Grouped, Hosts, Stream

_FIRST_PAUSE = SECOND // 4
_LONGEST_PAUSE = 30 * SECOND
_TICK = SECOND // 4
_LOOK = 20 * MS  # how often it is looked whether a successor may take over
_CALM = 5 * SECOND  # between two replacements that nobody asked for; doubled each time, up to _CALM_MOST
_CALM_MOST = 300 * SECOND
_REFUSED_AGAIN = 300 * SECOND  # a stream that was refused is asked for again after this
_LIVED = 10 * SECOND  # who lived so long was no failure
_TIMED = 32  # of so many wake-ups the stages of one are timed


class Connection:
    """A group of streams on one socket, and for moments on two.

    It reconnects at once, then with capped backoff and full jitter. `rotate` replaces the socket: a successor is
    opened, both are read until they overlap by id, then the old one is left. `life` is how long the venue lets a
    socket live, ns; it is replaced at a random moment before that. What comes of streams in `hushed` is left out:
    another connection speaks of these books.
    """

    def __init__(
        self, name: str, group: str, streams: list[Stream], *, pipeline: Pipeline, hosts: Hosts, sockets: Sockets,
        clock: Clock, hooks: Hooks, watch: Watch, life: int, most_failures: int = 0,
        token: Callable[[], str | None] = lambda: None,
    ) -> None:  # fmt: skip
        self.name = name
        self.streams = streams
        self.tally = Tally(clock.monotonic())
        self.hushed: set[str] = set()
        self._pipeline = pipeline
        self._venue = pipeline.venue
        self._url = self._venue.streams.url(hosts, group)
        self._sockets = sockets
        self._clock = clock
        self._hooks = hooks
        self._watch = watch
        self._life = life
        self._most_failures = most_failures
        self._token = token
        self._standing = self._venue.streams.standing(group)
        pipeline.attend(self._standing)
        self._paused = False
        self._leg = self._new_leg()
        self._successor: Leg | None = None
        self._rotating = asyncio.Lock()
        self._calm = _CALM
        self._calm_until = 0
        self._in_vain = False
        self._broke_at = 0
        self._ended = False
        self._group: asyncio.TaskGroup | None = None

    def _new_leg(self) -> Leg:
        streams = self._venue.streams
        session = Session(
            [*self.streams, *self._standing], watch=self._watch,
            subscribe=lambda names, request: streams.subscribe(names, request, self._token),
            unsubscribe=lambda names, request: streams.unsubscribe(names, request, self._token),
            flowed=self._pipeline.flowed, told=self._pipeline.told, agreed=self._pipeline.agreed,
        )  # fmt: skip
        return Leg(self, session, self.streams, self._clock)

    @property
    def session(self) -> Session:
        """The subscriptions of the socket that stands, or stood last."""
        return self._leg.session

    @property
    def opened_at(self) -> int:
        """When the socket that stands was opened, monotonic ns."""
        return self._leg.opened_at

    @property
    def connects(self) -> int:
        """How often it has connected."""
        return self.tally.connects

    @property
    def latency(self) -> int | None:
        """The round trip of a ping on the socket that stands, ns; None where none is known."""
        return self._leg.latency if self.up else None

    @property
    def up(self) -> bool:
        """Whether a socket stands."""
        return self.session.phase in (Phase.OPEN, Phase.LEAVING)

    async def run(self) -> None:
        """Keep the connection up for ever."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self._group.create_task(self._tick(), name=f"{self.name}/tick")
                await self._keep_up()
        finally:
            self._ended = True
            for leg in (self._leg, self._successor):
                if leg is not None:
                    leg.leave()

    async def _keep_up(self) -> None:
        failures = 0
        while True:
            if failures > 1:
                top = min(_FIRST_PAUSE * 2**failures, _LONGEST_PAUSE)
                # Jitter only spreads reconnects; nothing secret hangs on it.
                await self._clock.sleep(int(random.uniform(0, top)))  # noqa: S311
            if 0 < self._most_failures < failures:
                raise Unavailable(f"{self.name} could not be kept up in {failures} attempts; reconnect_limit ends it")
            while self._paused:
                await self._clock.sleep(_TICK)
            try:
                await self._hooks.turn()
                leg = await self._open()
            except (Unavailable, StoreError) as error:
                self._hooks.note("connect_failed", self.name, error=str(error))
                self.tally.failed += 1
                failures += 1
                continue
            if self.up:
                leg.leave()  # a successor has stood in meanwhile
            else:
                self._leg = leg
            began = self._clock.monotonic()
            await self._until_over()
            failures = 0 if self._clock.monotonic() - began > _LIVED else failures + 1

    async def _until_over(self) -> None:
        """Wait until the socket is over and no successor stands in for it."""
        while True:
            leg = self._leg
            await leg.over.wait()
            if self._leg is leg:
                if self._successor is None or self._successor.over.is_set():
                    return
                self._take_over(self._successor)

    async def _open(self) -> Leg:
        """Connect and subscribe."""
        leg, began = self._new_leg(), self._clock.monotonic()
        leg.socket = await self._sockets.connect(self._url, leg, self._venue.streams.ping)
        now = self._clock.monotonic()
        self._hooks.stages.connect.took(now - began)
        self.tally.connects += 1
        self.tally.stands(now)
        leg.opened_at = now
        # The moments only spread replacements; nothing secret hangs on them.
        leg.until = now + int(self._life * random.uniform(0.75, 0.95))  # noqa: S311
        self._hooks.note("connected", self.name, streams=len(leg.session.subscriptions))
        if self._paused:
            leg.socket.pause()
        if not leg.over.is_set():
            self._act(leg, leg.session.opened(now))
        return leg

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(_TICK)
            now = self._clock.monotonic()
            for leg in (self._leg, self._successor):
                if leg is not None and not self._paused:
                    self._act(leg, leg.session.ticked(now))
            if self.session.phase is not Phase.OPEN:
                continue
            if now > self._leg.until:
                self._replace(self._leg, self._leg.why)
            elif self._leg.streams is not self.streams:
                self._replace(self._leg, "its subscriptions changed")

    def _replace(self, leg: Leg, reason: str) -> None:
        """Begin a rotation that nobody asked for, unless one is under way or was just in vain."""
        now = self._clock.monotonic()
        if leg is not self._leg or self._rotating.locked() or now < self._calm_until:
            leg.session.stays()
            return
        well = now - leg.opened_at > min(_LIVED, self._life // 2) and not self._in_vain
        self._calm = _CALM if well else min(self._calm * 2, _CALM_MOST)
        self._calm_until = now + min(self._calm, self._life // 2)
        assert self._group is not None, "a socket speaks only while the connection runs"
        self._hooks.note("replacing", self.name, reason=reason)
        self._group.create_task(self.rotate(reason), name=f"{self.name}/rotate")

    async def rotate(self, reason: str) -> str | None:
        """Replace the socket by a successor; give None when that is done, else why the old one stays."""
        async with self._rotating:
            if not self.up:
                return "it is not connected"
            old, began = self._leg, self._clock.monotonic()
            try:
                await self._hooks.turn()
                if self._leg is not old or not self.up:
                    return "it broke before its turn came"
                old.session.leaves()
                self._successor = new = await self._open()
                why = await self._overlapped(old, new)
                if why is None and not self._ended and (self._leg is old or self._leg.over.is_set()):
                    self._take_over(new)
                elif self._leg is not new:
                    new.leave()
            except (Unavailable, StoreError) as error:
                why = str(error)
            except BaseException:
                self._give_up(old)
                raise
            finally:
                self._successor = None
            self._in_vain = why is not None
            if why is not None:
                old.session.stays()
                self._hooks.note("rotate_failed", self.name, reason=reason, why=why)
                return why
            self.tally.rotations += 1
            took = (self._clock.monotonic() - began) // MS
            self._hooks.note("rotated", self.name, reason=reason, ms=took)
            return None

    async def _overlapped(self, old: Leg, new: Leg) -> str | None:
        """Wait until the successor may take over, or has to; give why it cannot."""
        overlap = Overlap(old.session, new.session, partial(self._linked, new))
        began = self._clock.monotonic()
        while not new.over.is_set():
            now = self._clock.monotonic()
            waiting = overlap.waiting(now)
            if waiting is None or old.over.is_set():
                return None
            if new.session.phase is Phase.LEAVING:
                return "a subscription of the successor was not acknowledged"
            if now - began > LIMIT:
                # What is not linked by now was lost on both, and is repaired like any other hole.
                waiting = Overlap(old.session, new.session, lambda name: True).waiting(now)
                return f"{waiting} does not come on the successor" if waiting else None
            await self._clock.sleep(_LOOK)
        return "the successor broke"

    def linked(self, name: str) -> bool:
        """Say whether a stream of trades is held up to the first id that came of it here since it was noted."""
        return self._linked(self._leg, name)

    def _linked(self, leg: Leg, name: str) -> bool:
        return self._pipeline.linked(name, leg.firsts.get(name))

    def _give_up(self, old: Leg) -> None:
        """Leave a successor that is not waited for any more."""
        old.session.stays()
        if self._successor is not None and self._successor is not self._leg:
            self._successor.leave()

    def _take_over(self, leg: Leg) -> None:
        leg.session.stays()
        old, self._leg = self._leg, leg
        old.leave()
        self.hushed &= leg.session.subscriptions.keys()
        for name in self.hushed & leg.kept.keys():
            del leg.kept[name]
        self._pipeline.batch(leg.kept, 0, self._clock.monotonic())
        leg.kept = {}

    def batch(self, frames: list[bytes], received: int, leg: Leg) -> None:
        """Take the frames of one wake-up of a socket."""
        self._hooks.record(self.name, frames, received)
        mono = self._clock.monotonic()
        session, tally = leg.session, self.tally
        tally.batches += 1
        tally.frames += len(frames)
        tally.volume += sum(map(len, frames))
        timer = None if tally.batches % _TIMED else self._clock.monotonic
        grouped = self._venue.streams.group(frames)
        parsed = timer() - mono if timer else 0
        if grouped.controls:
            for control in grouped.controls:
                if control.error and control.id is None and not control.names:
                    self._hooks.note("refused", self.name, reason=control.error)
            for stream in session.replied(grouped.controls, mono):
                reason = session.subscriptions[stream.name].reason
                leg.until, leg.why = min(leg.until, mono + _REFUSED_AGAIN), f"{stream.name} was refused"
                self._hooks.note("rejected", self.name, stream=stream.name, reason=reason)
            self._hooks.note("subscribed", self.name, confirmed=session.confirmed, of=len(session.subscriptions))
            if not leg.answered and session.answered:
                leg.answered = True
                self._hooks.stages.resubscribe.took(mono - leg.opened_at)
        if grouped.numbers and (lost := session.counted(grouped.numbers)):
            self._hooks.note("frames_missing", self.name, frames=lost)
        for name, run in grouped.runs.items():
            session.delivered(name, len(run), mono)
        if self._broke_at and grouped.runs:
            self._hooks.note("live_again", self.name, ms=(mono - self._broke_at) // MS)
            self._hooks.stages.reconnect.took(mono - self._broke_at)
            tally.reconnects.append(mono - self._broke_at)
            self._broke_at = 0
        two = self._rotating.locked() or leg is not self._leg or self._pipeline.carrying or bool(self.hushed)
        firsts = self._of_two(grouped, leg) if two else None
        odd = self._pipeline.batch(grouped.runs, received, mono, firsts, timer)
        if timer:
            self._hooks.stages.of_batch(parsed, self._pipeline.read_for, self._clock.wall() - received)
        for raw in (*grouped.malformed, *odd):
            tally.malformed += 1
            self._hooks.note("malformed", self.name, frame=raw[:2_000].decode(errors="replace"))
        for notice in grouped.notices:
            self._hooks.note("notice", self.name, notice=notice)
            leg.until, leg.why, self._calm_until = 0, notice, 0
        self._hooks.arrived()

    def _of_two(self, grouped: Grouped, leg: Leg) -> dict[str, int]:
        """Hold back what a successor says of books: two sequences of changes must not be mixed."""
        if leg is not self._leg:
            for name in [name for name in grouped.runs if self._is_depth(leg, name)]:
                leg.kept.setdefault(name, []).extend(grouped.runs.pop(name))
        for name in self.hushed & grouped.runs.keys():
            del grouped.runs[name]
        return leg.firsts

    def _is_depth(self, leg: Leg, name: str) -> bool:
        subscription = leg.session.subscriptions.get(name)
        return subscription is not None and subscription.stream.kind == "depth"

    def closed(self, code: int, reason: str, leg: Leg) -> None:
        """Learn that a socket is gone."""
        now = self._clock.monotonic()
        lived = now - leg.opened_at if leg.opened_at else 0
        self.tally.closes.append(Ended(self._clock.wall(), code, reason, lived))
        if leg is self._leg:
            self._broke_at = now
            heard = max((one.last for one in leg.session.subscriptions.values()), default=0)
            self._hooks.stages.disconnect.took(now - max(heard, leg.opened_at))
            if self._successor is None:
                self.tally.broke(now)
        self._hooks.note("disconnected" if leg is self._leg else "left", self.name, code=code, reason=reason)

    def silent(self, stream: Stream) -> None:
        """Learn that a stream is acknowledged and silent."""
        now, subscription = self._clock.monotonic(), self.session.subscriptions[stream.name]
        silence = now - max(subscription.last, subscription.since)
        self._hooks.stages.silence.took(silence)
        self._hooks.note("silent", self.name, stream=stream.name, ms=silence // MS)
        self._act(self._leg, self.session.silent(stream.name, now))

    def renew(self, name: str) -> None:
        """Have a stream begin anew."""
        self.session.renew(name, self._clock.monotonic())

    def doubtful(self, stream: Stream) -> None:
        """Learn that a stream may be silent and that nobody can tell now: a successor shows it."""
        self._replace(self._leg, f"{stream.name} may be silent")

    def pressed(self, *, pause: bool) -> None:
        """Pause or resume reading while the writer is behind."""
        self._paused = pause
        for leg in (self._leg, self._successor):
            if leg is not None and leg.socket is not None:
                (leg.socket.pause if pause else leg.socket.resume)()
            if leg is not None and not pause:
                leg.session.resumed(self._clock.monotonic())

    def _act(self, leg: Leg, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                if leg.socket is not None:
                    leg.socket.send(action.text)
            elif isinstance(action, Probe):
                if leg is self._leg:
                    self._hooks.probe(self, action.stream)
            elif isinstance(action, Renew):
                self._hooks.renew(action.stream.instrument)
            elif leg is self._leg:
                self._replace(leg, action.reason)
