"""Which connections carry an instrument, and what befell them: the facts of a source that its connections show."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from gapless.collect.collector import Collector
from gapless.collect.connection import Connection
from gapless.ports import Clock
from gapless.protocol.session import TRADES

_ERRORS = ("disconnected", "connect_failed", "malformed", "rejected")


class Carrier(Struct):
    """A connection, as it was when it was looked at last, and what the log has told of it.

    `breaks` counts those that no successor stood in for, `broke_at` is the newest one (monotonic ns).
    """

    up: bool = False
    latency: int | None = None
    errors: int = 0
    breaks: int = 0
    broke_at: int = 0
    connects: int = 0
    pending: bool = False


class Carried(Struct, frozen=True):
    """The connections that carry an instrument, and those of them that carry its trades."""

    all: list[Carrier]
    main: list[Carrier]

    @property
    def connected(self) -> bool:
        """Whether its trades can come."""
        return bool(self.main) and all(one.up for one in self.main)

    @property
    def breaks(self) -> int:
        """How often that was interrupted."""
        return sum(one.breaks for one in self.main)

    @property
    def broke_at(self) -> int:
        """When it was interrupted last, monotonic ns; 0 where it never was."""
        return max((one.broke_at for one in self.main), default=0)

    @property
    def latency(self) -> int | None:
        """The longest round trip, ns; None where none is known."""
        return max((one.latency for one in self.main if one.latency is not None), default=None)

    @property
    def errors(self) -> int:
        """How many errors were told of all of them."""
        return sum(one.errors for one in self.all)


NOBODY = Carried([], [])


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
        carrier.errors += 1
        if name == "disconnected":
            carrier.broke_at, carrier.pending = self._clock.monotonic(), True
            carrier.connects = next((one.connects for one in self._connections() if one.name == subject), 0)
        return True

    def errors(self, collector: Collector) -> int:
        """Count the errors of a venue's connections so far."""
        own = collector.venue.name + "/"
        return sum(one.errors for name, one in self._carriers.items() if name.startswith(own))

    def look(self) -> None:
        """See which connections stand, and which breaks were any: where a successor stood in it was none."""
        connections = list(self._connections())
        laid: list[object] = [part for one in connections for part in (one, one.streams)]
        if len(laid) != len(self._laid) or any(a is not b for a, b in zip(laid, self._laid, strict=True)):
            self._laid = laid
            self._lay(connections)
        for one in connections:
            carrier = self._carriers[one.name]
            carrier.up, carrier.latency = one.up, one.latency
            if carrier.pending:
                carrier.pending = False
                carrier.breaks += not one.up or one.connects > carrier.connects

    def _lay(self, connections: Sequence[Connection]) -> None:
        self.carried = {}
        for one in connections:
            carrier = self._carriers.setdefault(one.name, Carrier())
            for stream in one.streams:
                carried = self.carried.setdefault(stream.instrument, Carried([], []))
                for group in (carried.all, carried.main) if stream.kind in TRADES else (carried.all,):
                    if not any(known is carrier for known in group):
                        group.append(carrier)

    def _connections(self) -> Iterator[Connection]:
        return (one for collector in self._collectors for one in collector.connections)
