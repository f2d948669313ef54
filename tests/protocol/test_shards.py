"""Streams laid on connections: limits, balance, who stays; and what is moved later, and no more than that."""

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.protocol.shards import Lot, Move, Rates, Room, laid, lots_of, moves
from gapless.venues.spec import Stream, StreamKind

KINDS: tuple[StreamKind, ...] = ("agg", "bars", "ticker")
FEW = Room(4)

Lots = dict[str, list[Stream]]


def streams(*names: str, group: str = "market", kinds: int = 1) -> list[Stream]:
    return [Stream(f"{name}@{kind}", f"v:{name}", kind, group) for name in names for kind in KINDS[:kinds]]


def names(lots: Lots) -> dict[str, list[str]]:
    return {connection: [stream.instrument[2:] for stream in held] for connection, held in lots.items()}


def rates(**known: float) -> dict[Lot, float]:
    return {("market", f"v:{name}"): rate for name, rate in known.items()}


def load(held: Sequence[Stream], known: Rates) -> float:
    return sum(known[lot] for lot in lots_of(held))


def moved(lots: Lots, found: Sequence[Move]) -> Lots:
    """Do the moves, one after the other."""
    after = {name: list(held) for name, held in lots.items()}
    for move in found:
        own = [one for one in after[move.source] if (one.group, one.instrument) == move.lot]
        after[move.source] = [one for one in after[move.source] if one not in own]
        after.setdefault(move.target, []).extend(own)
    return {name: held for name, held in after.items() if held}


def test_a_stream_that_has_a_connection_keeps_it_whatever_comes_and_goes() -> None:
    first = laid({}, streams("a", "b", "c", "d", "e"), venue="v", room=Room(2))
    assert names(first) == {"v/market/1": ["a", "d"], "v/market/2": ["b", "e"], "v/market/3": ["c"]}
    second = laid(first, streams("a", "b", "c", "f", "g", "h"), venue="v", room=Room(2))
    assert names(second) == {"v/market/1": ["a", "f"], "v/market/2": ["b", "g"], "v/market/3": ["c", "h"]}
    third = laid(second, streams("a", "f"), venue="v", room=Room(2))
    assert names(third) == {"v/market/1": ["a", "f"], "v/market/2": [], "v/market/3": []}


def test_streams_of_two_routes_never_share_a_connection() -> None:
    lots = laid({}, [*streams("a"), *streams("b", group="public"), *streams("c")], venue="v", room=Room(9))
    assert names(lots) == {"v/market/1": ["a", "c"], "v/public/1": ["b"]}


def test_a_stream_that_speaks_of_no_single_instrument_takes_no_room_from_one() -> None:
    wanted = [Stream("status", "", "status", "market"), *streams("a", "b", "c", "d")]
    lots = laid({}, wanted, venue="v", room=Room(9, products=2))
    assert sorted(len(held) for held in lots.values()) == [2, 3]
    assert moves(lots, venue="v", room=Room(9, products=2), rates=rates(a=1, b=1, c=1, d=1)) == []


def test_an_instrument_of_more_streams_than_a_connection_may_have_has_one_of_its_own() -> None:
    wanted = [Stream("status", "", "status", "market"), *streams("a", "b", kinds=3)]
    lots = laid({}, wanted, venue="v", room=Room(1))
    assert sorted(len(held) for held in lots.values()) == [1, 3, 3]
    assert laid(lots, wanted, venue="v", room=Room(1)) == lots


def test_the_busiest_instruments_are_laid_on_connections_of_their_own_first() -> None:
    lots = laid(
        {}, streams("a", "b", "c", "d", "e", "f"), venue="v", room=Room(10, products=3),
        rates=rates(a=9, b=8, c=1, d=1, e=1, f=2),
    )  # fmt: skip
    assert names(lots) == {"v/market/1": ["a", "c", "d"], "v/market/2": ["b", "f", "e"]}


def test_an_instrument_of_which_nothing_is_known_counts_as_a_usual_one() -> None:
    lots = laid({}, streams("a", "new", "b"), venue="v", room=Room(2), rates=rates(a=10, b=30))
    assert names(lots) == {"v/market/1": ["b"], "v/market/2": ["new", "a"]}


def test_what_comes_first_has_connections_of_its_own() -> None:
    lots = laid({}, streams("a", "b", "c"), venue="v", room=Room(9), first={"v:b"})
    assert names(lots) == {"v/market/1": ["a", "c"], "v/market/first-1": ["b"]}
    assert moves(lots, venue="v", room=Room(9), rates={}, first={"v:b"}) == []
    found = moves(lots, venue="v", room=Room(9), rates={}, first={"v:a"})
    assert {(move.lot[1], move.source, move.target) for move in found} == {
        ("v:a", "v/market/1", "v/market/first-1"), ("v:b", "v/market/first-1", "v/market/1"),
    }  # fmt: skip


def test_a_connection_far_above_its_share_gives_what_evens_it_best_and_no_more() -> None:
    lots = {"v/market/1": streams("a", "b", "c"), "v/market/2": streams("d")}
    found = moves(lots, venue="v", room=FEW, rates=rates(a=300, b=200, c=100, d=50))
    assert [(move.lot[1], move.source, move.target) for move in found] == [("v:a", "v/market/1", "v/market/2")]
    assert moves(moved(lots, found), venue="v", room=FEW, rates=rates(a=300, b=200, c=100, d=50)) == []


def test_full_connections_exchange_a_busy_instrument_for_a_calm_one() -> None:
    room = Room(10, products=2)
    lots = {"v/market/1": streams("a", "b"), "v/market/2": streams("c", "d")}
    found = moves(lots, venue="v", room=room, rates=rates(a=300, b=250, c=10, d=20))
    assert [(move.source, move.target) for move in found] == [
        ("v/market/1", "v/market/2"), ("v/market/2", "v/market/1"),
    ]  # fmt: skip
    assert {frozenset(own) for own in names(moved(lots, found)).values()} == {frozenset("ac"), frozenset("bd")}


def test_full_connections_exchange_nothing_where_the_venue_has_no_room_for_a_stream_more() -> None:
    lots = {"v/market/1": streams("a", "b"), "v/market/2": streams("c", "d")}
    assert moves(lots, venue="v", room=Room(2, products=2), rates=rates(a=300, b=250, c=10, d=20)) == []


def test_nothing_is_moved_for_what_is_uneven_and_little_or_only_expected() -> None:
    lots = {"v/market/1": streams("a", "b"), "v/market/2": streams("c")}
    room = Room(10, products=3)
    assert moves(lots, venue="v", room=room, rates=rates(a=30, b=20, c=1)) == []
    assert moves(lots, venue="v", room=room, rates=rates(a=300, b=200, c=1), measured=False) == []
    assert moves(lots, venue="v", room=room, rates=rates(a=300, b=200, c=1)) != []


def test_one_instrument_that_outweighs_all_others_is_not_passed_around() -> None:
    lots = {"v/market/1": streams("a", "b"), "v/market/2": streams("c", "d")}
    assert moves(lots, venue="v", room=FEW, rates=rates(a=3_000, b=20, c=10, d=20)) == []


def test_a_connection_ends_when_the_others_take_what_it_has_with_room_to_spare() -> None:
    room = Room(100, products=5)
    lots = {"v/market/1": streams("a", "b"), "v/market/2": streams("c", "d"), "v/market/3": streams("e")}
    found = moves(lots, venue="v", room=room, rates={}, measured=False)
    assert [(move.lot[1], move.source) for move in found] == [("v:e", "v/market/3")]
    full = {"v/market/1": streams("a", "b", "c"), "v/market/2": streams("d", "e")}
    assert moves(full, venue="v", room=room, rates={}, measured=False) == []


instruments = st.lists(st.integers(0, 60), min_size=1, max_size=60, unique=True)
speeds = st.lists(st.floats(0.01, 1_000), min_size=61, max_size=61)


def _world(chosen: Sequence[int], speed: Sequence[float]) -> tuple[list[Stream], dict[Lot, float]]:
    all_streams = streams(*(str(number) for number in chosen), kinds=2)
    return all_streams, {("market", f"v:{number}"): speed[number] for number in chosen}


def _check(lots: Mapping[str, Sequence[Stream]], room: Room) -> None:
    homes: dict[Lot, str] = {}
    for name, held in lots.items():
        own = lots_of(held)
        assert len(held) <= room.streams
        assert room.products is None or len(own) <= room.products
        for lot, parts in own.items():
            assert lot not in homes, f"{lot} is parted"
            assert len(parts) == 2
            homes[lot] = name


@settings(deadline=None, max_examples=60)
@given(instruments, instruments, speeds, st.integers(2, 40), st.one_of(st.none(), st.integers(1, 20)))
def test_no_connection_is_ever_overfull_and_no_stream_is_lost_doubled_or_parted(
    before: list[int], after: list[int], speed: list[float], most: int, products: int | None
) -> None:
    room = Room(most, products)
    lots: Lots = {}
    for chosen in (before, after):
        wanted, known = _world(chosen, speed)
        fresh = laid(lots, wanted, venue="v", room=room, rates=known)
        _check(fresh, room)
        assert sorted(one.name for held in fresh.values() for one in held) == sorted(one.name for one in wanted)
        kept = {one for held in lots.values() for one in held} & set(wanted)
        was = {one: name for name, held in lots.items() for one in held}
        assert all(was[one] == name for name, held in fresh.items() for one in held if one in kept)
        lots = {name: held for name, held in fresh.items() if held}


@settings(deadline=None, max_examples=60)
@given(instruments, speeds, st.integers(1, 8))
def test_a_start_is_as_even_as_the_busiest_instrument_allows(chosen: list[int], speed: list[float], most: int) -> None:
    wanted, known = _world(chosen, speed)
    needed = laid({}, wanted, venue="v", room=Room(2 * most), rates=known)
    assert len(needed) == -(-len(chosen) // most)
    # Where no connection fills up, none brings more than its share and the busiest instrument.
    count = len(needed)
    even = laid(
        {name: held[:2] for name, held in needed.items()}, wanted, venue="v", room=Room(10_000), rates=known,
    )  # fmt: skip
    assert len(even) == count
    assert max(load(held, known) for held in even.values()) <= sum(known.values()) / count + max(known.values()) + 1e-6


def test_three_hundred_products_of_a_skewed_market_share_twenty_connections_evenly() -> None:
    known = {("market", f"v:{number}"): 1_000 / (1 + number) for number in range(300)}
    wanted = streams(*(str(number) for number in range(300)), kinds=3)
    lots = laid({}, wanted, venue="v", room=Room(1_000, products=15), rates=known)
    loads = sorted(load(held, known) for held in lots.values())
    assert len(lots) == 20
    assert {len(lots_of(held)) for held in lots.values()} == {15}
    assert loads[-1] < 1_048  # the busiest product brings 1,000, the 14 least 47.8
    assert loads[-6] < 1.1 * sum(known.values()) / 20


@settings(deadline=None, max_examples=40)
@given(instruments, speeds, st.integers(2, 12), st.sets(st.integers(0, 60), max_size=6))
def test_moves_end_within_the_limits_and_are_not_taken_back(
    chosen: list[int], speed: list[float], products: int, first: set[int]
) -> None:
    wanted, known = _world(chosen, speed)
    room, ids = Room(2 * products + 2, products), {f"v:{number}" for number in first}
    lots = laid({}, wanted, venue="v", room=room)  # laid without knowing anything
    for _ in range(3 * len(chosen) + 3):
        found = moves(lots, venue="v", room=room, rates=known, first=ids)
        if not found:
            break
        before, lots = lots, moved(lots, found)
        _check(lots, room)
        if len(found) == 1 and len(lots) == len(before):
            back = Move(found[0].lot, found[0].target, found[0].source)
            assert back not in moves(lots, venue="v", room=room, rates=known, first=ids)
    else:
        raise AssertionError("it goes on for ever")
    for name, held in lots.items():
        assert {one.instrument in ids for one in held} == {"/first-" in name}
