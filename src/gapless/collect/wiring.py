"""Makes the connections of one venue, lays streams on them, runs and replaces them."""

import asyncio
import secrets
from collections.abc import Callable, Collection
from itertools import groupby
from urllib.parse import urlsplit

from gapless.collect.connection import Connection
from gapless.collect.connects import Connects
from gapless.collect.leg import Hooks
from gapless.collect.loads import Loads
from gapless.collect.outside import Outside
from gapless.collect.pipeline import Pipeline
from gapless.collect.settings import VenueSettings, life_of
from gapless.collect.stages import Stages
from gapless.model import MINUTE, MS, SECOND
from gapless.protocol.overlap import LIMIT, Overlap
from gapless.protocol.session import Watch
from gapless.protocol.shards import Lot, Move, Room, laid, lots_of, moves
from gapless.venues.spec import Hosts, Key, Stream

_AT_ONCE = 32  # rotations under way at a time
_CHANGED = "its subscriptions changed"
_LOOK = 20 * MS  # how often it is looked whether streams have come on another connection
_CONNECTED = 60 * SECOND  # attempts to connect are paced: a new connection may take so long
_EVENED = MINUTE  # how often it is looked whether streams are laid well


class Wiring:
    """The connections of one venue.

    `suspects` looks after a stream that may be silent, `note` hears of what befalls a connection, `arrived` of each
    batch that was taken. Instruments in `first`, which may change, have connections of their own. Where nothing is to
    be `streamed` there are none.
    """

    def __init__(
        self, pipeline: Pipeline, hosts: Hosts, settings: VenueSettings, outside: Outside, *,
        suspects: Callable[[Connection, Stream], None], note: Callable[..., None], arrived: Callable[[], None],
        first: Collection[str] = (), streamed: bool = True,
    ) -> None:  # fmt: skip
        self.connections: list[Connection] = []
        self._pipeline = pipeline
        self._venue = pipeline.venue
        self._hosts = hosts
        self._settings = settings
        self._streamed = streamed
        self._sockets = outside.sockets
        self._clock = outside.clock
        limits = self._venue.limits
        most = settings.connects_per_5m or limits.connects_per_5m
        a_second = limits.connects_per_second if most <= limits.connects_per_5m else None  # a simulator's were raised
        self._connects = Connects(outside.budgets, outside.clock, urlsplit(hosts.websocket).netloc, most, a_second)
        self.stages = Stages()
        self._hooks = Hooks(outside.record, suspects, note, arrived, self._connects.turn, self.renew, self.stages)
        self.loads = Loads()
        self._first = first
        self._note = outside.note
        self._laying = asyncio.Lock()
        self._looked = self._even_at = 0
        self._starting = True
        self._rotations = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        pipeline.attend(list(self._venue.at_large))

    def _room(self) -> Room:
        groups = {stream.group for stream in self._pipeline.streams()}
        standing = max((len(self._venue.streams.standing(group)) for group in groups), default=0)
        most = self._settings.streams_per_connection or self._venue.limits.streams_per_connection
        products = self._settings.products_per_connection or self._venue.limits.products_per_connection
        return Room(max(most - standing, 1), products)

    def _laid(self) -> dict[str, list[Stream]]:
        return {connection.name: connection.streams for connection in self.connections}

    def _rates(self) -> dict[Lot, float]:
        return self.loads.rates(lots_of(self._pipeline.streams()), self._clock.monotonic())

    def lay(self) -> list[Connection]:
        """Lay the streams that are wanted on connections; give those whose streams are others than before."""
        if not self._streamed:
            return []
        by_name = {connection.name: connection for connection in self.connections}
        lots = laid(
            self._laid(), self._wanted(), venue=self._venue.name, room=self._room(),
            rates=self._rates(), first=self._first,
        )  # fmt: skip
        changed = []
        for name, streams in lots.items():
            if name not in by_name:
                self._open(name, streams)
            elif streams != by_name[name].streams:
                by_name[name].streams = streams
                changed.append(by_name[name])
        return changed

    def _wanted(self) -> list[Stream]:
        """List the streams to lay: those of instruments, and where there are any, those that speak of all."""
        streams = self._pipeline.streams()
        return [*self._venue.at_large, *streams] if streams else []

    async def relay(self) -> None:
        """Lay the streams anew: end the connections that have none left, replace those that have others."""
        async with self._laying:
            changed = self.lay()
            for connection in [one for one in self.connections if not one.streams]:
                changed.remove(connection)
                self._end(connection)
            await asyncio.gather(*(one.rotate(_CHANGED) for one in changed))

    def _open(self, name: str, streams: list[Stream]) -> Connection:
        made = self._connection(name, streams)
        self.connections.append(made)
        self._start(made)
        return made

    def _end(self, connection: Connection) -> None:
        self.connections.remove(connection)
        if task := self._running.pop(connection.name, None):
            task.cancel()

    def _named(self, name: str) -> Connection | None:
        return next((one for one in self.connections if one.name == name), None)

    async def even(self) -> None:
        """Move streams to the connections where they belong, if some are badly laid; no more of them than need be."""
        async with self._laying:
            found = moves(
                self._laid(), venue=self._venue.name, room=self._room(), rates=self._rates(),
                first=self._first, measured=self.loads.measured(self._clock.monotonic()),
            )  # fmt: skip
            if found:
                self._pipeline.carrying = True
                try:
                    await self._carry(found)
                finally:
                    self._pipeline.carrying = False

    async def _carry(self, found: list[Move]) -> None:
        """Do moves, those to one connection together; one that gives is replaced when it takes, or at the end."""
        giving: dict[str, list[Stream]] = {}
        for name, batch in groupby(found, key=lambda move: move.target):
            gifts: dict[Connection, list[Stream]] = {}
            for move in batch:
                if source := self._named(move.source):
                    left = giving.get(source.name, source.streams)
                    own = [one for one in left if (one.group, one.instrument) == move.lot]
                    gifts.setdefault(source, []).extend(own)
            given_before = giving.pop(name, None)
            why = await self._take(name, given_before, gifts)
            if why is None:
                self._note(
                    "moved", name, streams=sum(map(len, gifts.values())), before=", ".join(x.name for x in gifts)
                )
            else:
                self._note("move_failed", name, why=why)
                giving |= {name: given_before} if given_before is not None else {}
                break
            for source, own in gifts.items():
                left = giving.get(source.name, source.streams)
                giving[source.name] = [one for one in left if one not in own]
        for name, left in giving.items():
            if (giver := self._named(name)) is not None:
                giver.streams = left
                await giver.rotate(_CHANGED) if left else self._end(giver)

    async def _take(self, name: str, left: list[Stream] | None, gifts: dict[Connection, list[Stream]]) -> str | None:
        """Have a connection carry what others carry, who go on until it is proved; give why it does not, else None.

        `left` is what it keeps of its own, None for all. Of a book only one may speak: it is begun anew in the end.
        """
        fresh = [stream for own in gifts.values() for stream in own]
        target = self._named(name)
        before = target.streams if target else []
        streams, within = [*(before if left is None else left), *fresh], LIMIT
        if target is None:
            target, within = self._open(name, streams), _CONNECTED
        books = {one.name for one in fresh if one.kind == "depth"}
        target.hushed |= books
        if before:
            target.streams = streams
        why = (await target.rotate(_CHANGED) if before else None) or await self._proved(target, gifts, within)
        if why is None:
            target.hushed -= books
            for book in books:
                target.renew(book)
            for source in gifts:
                source.hushed |= books
        elif before:
            target.streams = before
        else:
            self._end(target)
        return why

    async def _proved(self, target: Connection, gifts: dict[Connection, list[Stream]], within: int) -> str | None:
        """Wait until streams come on a second connection, joined by id to what the first brought; else give why not."""
        began = self._clock.monotonic()
        for source, own in gifts.items():
            names = [one.name for one in own]
            while True:
                now = self._clock.monotonic()
                waiting = Overlap(source.session, target.session, target.linked).waiting(now, names)
                if waiting is None:
                    break
                if now - began > within:
                    return f"{waiting} does not come on {target.name}"
                await self._clock.sleep(_LOOK)
        return None

    def look(self) -> None:
        """Measure what comes, say how far the start is, and now and then have it looked whether all is well laid."""
        now = self._clock.monotonic()
        if self._group is None or now - self._looked < SECOND:
            return
        self._looked = now
        self.loads.look(self.connections, now)
        for connection in self.connections:
            connection.tally.flow.looked(connection.tally.frames, now)
        self._tell_start()
        if now >= self._even_at and not self._laying.locked():
            self._even_at = now + _EVENED
            self._group.create_task(self.even(), name=f"{self._venue.name}/even")

    def hurry(self) -> None:
        """Have it looked soon whether all is well laid: what comes first may have changed."""
        self._even_at = 0

    def _tell_start(self) -> None:
        """Say how many connections have come up, until all have for the first time."""
        up, of = sum(one.connects > 0 for one in self.connections), len(self.connections)
        if self._starting and of > 1:
            self._note("connecting", self._venue.name, up=up, of=of)
        self._starting = self._starting and up < of

    def _connection(self, name: str, streams: list[Stream]) -> Connection:
        limits = self._venue.limits
        made = Connection(
            name, streams[0].group, streams, pipeline=self._pipeline, hosts=self._hosts, sockets=self._sockets,
            clock=self._clock, hooks=self._hooks, life=life_of(self._settings, self._venue),
            watch=Watch(
                names_per_message=limits.names_per_message, messages_per_hour=limits.messages_per_hour,
                heartbeat=limits.heartbeat,
            ),
            most_failures=self._settings.reconnect_limit, token=self._token,
        )  # fmt: skip
        made.pressed(pause=self._pipeline.pressed)
        return made

    def _token(self) -> str | None:
        """Sign a token for what is sent next, where the venue takes one and there is a key."""
        key = Key(self._settings.api_key, self._settings.api_secret)
        if self._venue.sign is None or not key.secret:
            return None
        return self._venue.sign(key, self._clock.wall(), secrets.token_hex(16))

    def renew(self, instrument: str) -> None:
        """Have the stream of an instrument's book begin anew."""
        for connection in self.connections:
            for stream in connection.streams:
                if stream.instrument == instrument and stream.kind == "depth":
                    connection.renew(stream.name)

    def run(self, group: asyncio.TaskGroup) -> None:
        """Keep all connections up, those too that are laid later, as tasks of a group."""
        self._group = group
        for connection in self.connections:
            self._start(connection)

    def _start(self, connection: Connection) -> None:
        if self._group is not None:
            self._running[connection.name] = self._group.create_task(connection.run(), name=connection.name)

    async def rotate(self, reason: str, name: str | None = None) -> list[tuple[str, str | None]]:
        """Replace all connections, or the one of a name; give for each why it stays, None where it was replaced."""

        async def one(connection: Connection) -> tuple[str, str | None]:
            async with self._rotations:
                return connection.name, await connection.rotate(reason)

        chosen = [connection for connection in self.connections if name in (None, connection.name)]
        return list(await asyncio.gather(*(one(connection) for connection in chosen)))
