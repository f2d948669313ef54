"""Lays streams on connections by how many messages they bring: who stays, who goes where, what is opened, what ends.

All streams of one instrument that are of one group form a *lot*, which is not parted. A connection's name reads
venue/group/number, or venue/group/first-number where it carries instruments that come first. Rates are messages a
second.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count
from math import ceil

from msgspec import Struct

from gapless.venues.spec import Stream

Lot = tuple[str, str]
"""The group and the instrument whose streams keep together; no instrument for what speaks of no single one."""
Laid = Mapping[str, Sequence[Stream]]
"""The streams of each connection, by its name."""
Rates = Mapping[Lot, float]

_UNEVEN = 1.5  # times its fair share: what brings more gives some away
_BUSY = 50.0  # messages/s: what brings less than that above its share is let alone
_GAIN = 0.9  # of the busier of two connections must not be left after an exchange, else it is not worth a rotation
_SPARE = 0.8  # of the room that is left may be taken when a connection ends, so that it is not soon opened again


class Room(Struct, frozen=True):
    """What one connection takes: at most `streams`, of at most `products` instruments where that is set."""

    streams: int
    products: int | None = None

    def least(self, streams: int, products: int, share: float = 1.0) -> int:
        """Give how many connections so much needs at least when only a share of their room is to be taken."""
        by_products = products / (self.products * share) if self.products else 0.0
        return ceil(max(streams / (self.streams * share), by_products))


class Move(Struct, frozen=True):
    """A lot that changes its connection; `target` may not exist yet."""

    lot: Lot
    source: str
    target: str


class _Shards:
    """Lots by connection, with what they bring."""

    def __init__(self, laid: Laid, room: Room, rates: Rates) -> None:
        known = [rate for rate in rates.values() if rate > 0]
        self._usual = sum(known) / len(known) if known else 1.0
        self._rates = rates
        self.room = room
        self.lots: dict[str, dict[Lot, list[Stream]]] = {}
        for name, streams in laid.items():
            self.lots[name] = lots_of(streams)

    def rate(self, lot: Lot) -> float:
        """Give the rate of a lot; where it is not known, the usual one."""
        return self._rates.get(lot, self._usual if lot[1] else 0.0)

    def load(self, name: str) -> float:
        """Give what a connection brings."""
        return sum(map(self.rate, self.lots[name]))

    def streams(self, name: str) -> int:
        """Count the streams of a connection."""
        return sum(map(len, self.lots[name].values()))

    def fits(self, name: str, lot: Lot, streams: int, *, over: int = 0) -> bool:
        """Say whether a lot of so many streams has room; `over` instruments more than are set are let pass."""
        room = self.room
        products = room.products is None or _products([*self.lots[name], lot]) <= room.products + over
        return products and self.streams(name) + streams <= room.streams

    def lightest(self, names: Iterable[str], lot: Lot, streams: int) -> str | None:
        """Give the connection that brings the least of those that have room for a lot."""
        return min((name for name in names if self.fits(name, lot, streams)), key=self.load, default=None)

    def opened(self, prefix: str) -> str:
        """Begin a connection."""
        name = next(name for number in count(1) if (name := f"{prefix}{number}") not in self.lots)
        self.lots[name] = {}
        return name

    def of(self, prefix: str) -> list[str]:
        """List the connections of a kind."""
        return [name for name in self.lots if name.startswith(prefix) and name[len(prefix) :].isdigit()]

    def least(self, names: Iterable[str], lots: Mapping[Lot, Sequence[Stream]], share: float = 1.0) -> int:
        """Give how many connections are needed at least for what some carry, and for other lots."""
        held = [*(item for name in names for item in self.lots[name].items()), *lots.items()]
        return self.room.least(sum(len(own) for _, own in held), _products(lot for lot, _ in held), share)

    def move(self, lot: Lot, source: str, target: str) -> Move:
        """Move a lot."""
        self.lots[target].setdefault(lot, []).extend(self.lots[source].pop(lot))
        return Move(lot, source, target)


def _products(lots: Iterable[Lot]) -> int:
    return sum(bool(instrument) for _, instrument in lots)


def lots_of(streams: Iterable[Stream]) -> dict[Lot, list[Stream]]:
    """Sort streams by group and instrument."""
    lots: dict[Lot, list[Stream]] = {}
    for stream in streams:
        lots.setdefault((stream.group, stream.instrument), []).append(stream)
    return lots


def _prefix(venue: str, lot: Lot, first: Collection[str]) -> str:
    """Give how the names of the connections begin that a lot belongs on."""
    return f"{venue}/{lot[0]}/{'first-' if lot[1] in first else ''}"


def laid(
    now: Laid, wanted: Iterable[Stream], *, venue: str, room: Room, rates: Rates | None = None,
    first: Collection[str] = (),
) -> dict[str, list[Stream]]:  # fmt: skip
    """Give the streams of each connection by its name; an empty list is one to end.

    A stream that has a connection keeps it. Other lots go, the busiest first, to the connection of their kind that
    brings the least and has room, on as few new ones as can be; one for which none has room has one of its own.
    Instruments in `first` have connections of their own.
    """
    by_name = {stream.name: stream for stream in wanted}
    kept = {name: [by_name.pop(one.name) for one in held if one.name in by_name] for name, held in now.items()}
    shards = _Shards(kept, room, rates or {})
    fresh = lots_of(by_name.values())
    for name, lots in shards.lots.items():
        for lot in [lot for lot in lots if lot in fresh and shards.streams(name) + len(fresh[lot]) <= room.streams]:
            lots[lot] += fresh.pop(lot)  # where the rest of it is
    ended = {name for name, lots in shards.lots.items() if not lots}
    for prefix in dict.fromkeys(_prefix(venue, lot, first) for lot in fresh):
        lots = {lot: own for lot, own in fresh.items() if _prefix(venue, lot, first) == prefix}
        names = [name for name in shards.of(prefix) if name not in ended]
        names += [shards.opened(prefix) for _ in range(shards.least(names, lots) - len(names))]
        for lot in sorted(lots, key=shards.rate, reverse=True):
            target = shards.lightest(names, lot, len(lots[lot])) or next((n for n in names if not shards.lots[n]), None)
            if target is None:
                names.append(target := shards.opened(prefix))
            shards.lots[target][lot] = lots[lot]
    carrying = {name: lots for name, lots in shards.lots.items() if lots or name in now}
    return {name: [stream for own in lots.values() for stream in own] for name, lots in carrying.items()}


def moves(
    now: Laid, *, venue: str, room: Room, rates: Rates, first: Collection[str] = (), measured: bool = True
) -> list[Move]:
    """Give what is to be moved next, in this order, so that connections carry what they should; often nothing.

    What is on connections of the wrong kind goes to those of its own. Where a connection can be spared, what it carries
    goes to others. Where one brings far more than its share, as was `measured`, it gives to the one that brings the
    least, perhaps in exchange, what evens them best. Nothing is moved that a later call would move back at the same
    rates. Moves to one connection stand together.
    """
    shards = _Shards(now, room, rates)
    wrong = [
        (lot, name)
        for name, lots in shards.lots.items()
        for lot in lots
        if name not in shards.of(_prefix(venue, lot, first))
    ]
    if wrong:
        home = [_homeward(shards, lot, name, _prefix(venue, lot, first)) for lot, name in wrong]
        return sorted(home, key=lambda move: move.target)
    for prefix in dict.fromkeys(name.rstrip("0123456789") for name in shards.lots):
        names = shards.of(prefix)
        if found := _spared(shards, names) or (_evened(shards, names) if measured else []):
            return found
    return []


def _homeward(shards: _Shards, lot: Lot, source: str, prefix: str) -> Move:
    target = shards.lightest(shards.of(prefix), lot, len(shards.lots[source][lot]))
    return shards.move(lot, source, target or shards.opened(prefix))


def _spared(shards: _Shards, names: list[str]) -> list[Move]:
    """Move all of the smallest connection to the others, as few of them as can be, where they keep room to spare."""
    if len(names) < 2 or shards.least(names, {}, _SPARE) >= len(names):
        return []
    source = min(names, key=lambda name: (len(shards.lots[name]), shards.load(name)))
    targets = sorted((name for name in names if name != source), key=shards.load)
    found: list[Move] = []
    for lot in sorted(shards.lots[source], key=shards.rate, reverse=True):
        target = next((one for one in targets if shards.fits(one, lot, len(shards.lots[source][lot]))), None)
        if target is None:
            return []
        found.append(shards.move(lot, source, target))
    return sorted(found, key=lambda move: move.target)


def _evened(shards: _Shards, names: list[str]) -> list[Move]:
    """Move a lot from the busiest to the least busy connection, in exchange for another where there is no room."""
    loads = {name: shards.load(name) for name in names}
    busy, calm = max(names, key=loads.__getitem__), min(names, key=loads.__getitem__)
    fair = sum(loads.values()) / len(names)
    if loads[busy] <= _UNEVEN * fair or loads[busy] - fair <= _BUSY:
        return []
    best, chosen = _GAIN * loads[busy], None
    for lot, own in shards.lots[busy].items():
        for back in (None, *shards.lots[calm]):
            given = shards.rate(lot) - (shards.rate(back) if back else 0.0)
            left = max(loads[busy] - given, loads[calm] + given)
            if left < best and _exchangeable(shards, (lot, len(own)), busy, calm, back):
                best, chosen = left, (lot, back)
    if chosen is None:
        return []
    lot, back = chosen
    return [shards.move(lot, busy, calm), *([shards.move(back, calm, busy)] if back else [])]


def _exchangeable(shards: _Shards, given: tuple[Lot, int], busy: str, calm: str, back: Lot | None) -> bool:
    """Say whether a lot of so many streams has room on another connection, for the moment of an exchange too."""
    lot, streams = given
    if back is None:
        return shards.fits(calm, lot, streams)
    theirs = len(shards.lots[calm][back])
    return shards.fits(calm, lot, streams, over=1) and shards.streams(busy) - streams + theirs <= shards.room.streams
