"""Makes the connections of one venue, lays streams on them, runs and replaces them."""

import asyncio
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from gapless.collect.connection import Connection
from gapless.collect.connects import Connects
from gapless.collect.leg import Hooks
from gapless.collect.outside import Outside
from gapless.collect.pipeline import Pipeline
from gapless.collect.settings import VenueSettings, life_of
from gapless.protocol.session import Watch
from gapless.protocol.shards import laid
from gapless.venues.spec import Hosts, Key, Stream

_AT_ONCE = 32  # rotations under way at a time


class Wiring:
    """The connections of one venue.

    `suspects` looks after a stream that may be silent, `note` hears of what befalls a connection, `arrived` of each
    batch that was taken. Where nothing is to be `streamed` there are none.
    """

    def __init__(
        self, pipeline: Pipeline, hosts: Hosts, settings: VenueSettings, outside: Outside, *,
        suspects: Callable[[Connection, Stream], None], note: Callable[..., None], arrived: Callable[[], None],
        streamed: bool = True,
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
        self._connects = Connects(
            outside.budgets, outside.clock, urlsplit(hosts.websocket).netloc,
            settings.connects_per_5m or limits.connects_per_5m, limits.connects_per_second,
        )  # fmt: skip
        self._hooks = Hooks(outside.record, suspects, note, arrived, self._connects.turn, self.renew)
        self._rotations = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        pipeline.attend(list(self._venue.at_large))

    def lay(self) -> list[Connection]:
        """Lay the streams that are wanted on connections; give those whose streams are others than before."""
        if not self._streamed:
            return []
        most = self._settings.streams_per_connection or self._venue.limits.streams_per_connection
        by_name = {connection.name: connection for connection in self.connections}
        now = {name: connection.streams for name, connection in by_name.items()}
        changed = []
        for name, streams in laid(now, self._wanted(), most, venue=self._venue.name).items():
            if name not in by_name:
                self.connections.append(self._connection(name, streams))
                self._start(self.connections[-1])
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
        changed = self.lay()
        for connection in [one for one in self.connections if not one.streams]:
            self.connections.remove(connection)
            changed.remove(connection)
            if task := self._running.pop(connection.name, None):
                task.cancel()
        await asyncio.gather(*(one.rotate("its subscriptions changed") for one in changed))

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
