"""Which connections carry an instrument, and what befell it on them: the facts of a source that connections show."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from gapless.collect.collector import Collector
from gapless.collect.connection import Connection
from gapless.ports import Clock
from gapless.protocol.phases import Subscribed
from gapless.protocol.session import TRADES

_ERRORS = ("disconnected", "connect_failed", "malformed", "rejected")


class Carrier(Struct):
    """A connection, as it was when it was looked at last, and what the log has told of it.

    Since that look `fresh` errors were told, and a break at `broke_at` (monotonic ns, 0 for none) after `connects`
    attempts.
    """

    up: bool = False
    latency: int | None = None
    errors: int = 0
    fresh: int = 0
    broke_at: int = 0
    connects: int = 0


class Carried(Struct):
    """The connections that carry the trades of an instrument, more than one while it moves, and what befell it.

    `errors` are those of all connections that carried anything of it then, `breaks` those in which its trades were
    interrupted, of which `broke_at` is the newest (monotonic ns, 0 where there was none).
    """

    main: list[Carrier]
    errors: int = 0
    breaks: int = 0
    broke_at: int = 0

    @property
    def connected(self) -> bool:
        """Whether its trades can come."""
        return any(one.up for one in self.main)

    @property
    def latency(self) -> int | None:
        """The longest round trip, ns; None where none is known."""
        return max((one.latency for one in self.main if one.latency is not None), default=None)


NOBODY = Carried([])


class Carriers:
    """Follows the connections of all collectors."""

    def __init__(self, collectors: Sequence[Collector], clock: Clock) -> None:
        self.carried: dict[str, Carried] = {}
        self._collectors = collectors
        self._clock = clock
        self._carriers: dict[str, Carrier] = {}
        self._laid: list[object] = []

    def heard(self, name: str, subject: str) -> bool:
        """Learn what the log is told; say whether it is an error of a connection."""
        if name not in _ERRORS:
            return False
        carrier = self._carriers.setdefault(subject, Carrier())
        carrier.errors, carrier.fresh = carrier.errors + 1, carrier.fresh + 1
        if name == "disconnected":
            carrier.broke_at = self._clock.monotonic()
            carrier.connects = next((one.connects for one in self._connections() if one.name == subject), 0)
        return True

    def errors(self, collector: Collector) -> int:
        """Count the errors of a venue's connections so far."""
        own = collector.venue.name + "/"
        return sum(one.errors for name, one in self._carriers.items() if name.startswith(own))

    def look(self) -> None:
        """See which connections stand, and what was told of them since."""
        connections = list(self._connections())
        laid: list[object] = [part for one in connections for part in (one, one.streams)]
        if len(laid) != len(self._laid) or any(a is not b for a, b in zip(laid, self._laid, strict=True)):
            self._laid = laid
            self._lay(connections)
        for one in connections:
            carrier = self._carriers[one.name]
            carrier.up, carrier.latency = one.up, one.latency
        for one in connections:
            if self._carriers[one.name].fresh:
                self._blame(one, self._carriers[one.name], connections)

    def _blame(self, connection: Connection, carrier: Carrier, connections: Sequence[Connection]) -> None:
        """Count what was told of a connection for the instruments that it carries, not for those to come.

        It was no break where a successor stood in, nor of trades that come on another connection too.
        """
        broke = carrier.broke_at if not connection.up or connection.connects > carrier.connects else 0
        others = [one for one in connections if one is not connection]
        for name in dict.fromkeys(stream.instrument for stream in connection.streams):
            carried = self.carried[name]
            carried.errors += carrier.fresh
            if not broke or not _among(carrier, carried.main):
                continue
            if not any(_brings(one, name) for one in others if _among(self._carriers[one.name], carried.main)):
                carried.breaks, carried.broke_at = carried.breaks + 1, broke
        carrier.fresh = carrier.broke_at = 0

    def _lay(self, connections: Sequence[Connection]) -> None:
        known, self.carried = self.carried, {}
        for one in connections:
            carrier = self._carriers.setdefault(one.name, Carrier())
            for stream in one.streams:
                carried = self.carried.setdefault(stream.instrument, Carried([]))
                if stream.kind in TRADES and not _among(carrier, carried.main):
                    carried.main.append(carrier)
        for name, carried in self.carried.items():
            if before := known.get(name):
                carried.errors, carried.breaks, carried.broke_at = before.errors, before.breaks, before.broke_at

    def _connections(self) -> Iterator[Connection]:
        return (one for collector in self._collectors for one in collector.connections)


def _among(carrier: Carrier, some: Sequence[Carrier]) -> bool:
    """Say whether a connection is one of some; two may look alike."""
    return any(one is carrier for one in some)


def _brings(connection: Connection, source: str) -> bool:
    """Say whether trades of an instrument come on a connection."""
    return connection.up and any(
        one.stream.instrument == source and one.stream.kind in TRADES and one.phase is Subscribed.LIVE
        for one in connection.session.subscriptions.values()
    )
