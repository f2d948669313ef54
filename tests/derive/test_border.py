"""The border rule on made fills: the venue counts executions by their own time, an aggregate only by its first."""

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tapes import ID, MINUTE, T0, Book, Collecting, bars_of, trade

from gapless.derive.border import Verdict, compare
from gapless.model import VALUES, Bar, Proof, Trade
from gapless.model.number import divided

MS = 1_000_000


@st.composite
def markets(draw):
    """Single executions around minute borders, ids burned between and inside aggregates, and their aggregates.

    Executions of one price and side within 100 ms are one aggregate, as at the venue.
    """
    fills: list[Trade] = []
    number, at = 1_000, T0 - 40 * MS
    price, side = 100, 1
    for _ in range(draw(st.integers(2, 40))):
        at += draw(st.sampled_from([0, 1, 20, 40, 60, 9_000, 29_990, 60_000])) * MS
        number += draw(st.sampled_from([1, 1, 1, 2, 4]))  # more than one: ids that were spent without a trade
        if draw(st.booleans()):
            price, side = draw(st.integers(98, 102)), draw(st.sampled_from([1, -1]))
        fills.append(trade(number, at - T0, price, draw(st.integers(1, 9)), side))
    return fills, aggregated(fills)


def aggregated(fills: list[Trade]) -> list[Trade]:
    """Join fills by the venue's rule; the ids of an aggregate are consecutive, its count is last - first + 1."""
    groups: list[list[Trade]] = []
    for fill in fills:
        head = groups[-1][0] if groups else None
        if head and (head.price, head.side) == (fill.price, fill.side) and fill.time - head.time < 100 * MS:
            groups[-1].append(fill)
        else:
            groups.append([fill])
    return [
        Trade(seq, group[0].time, group[0].price, sum(f.size for f in group), group[0].side,
              group[-1].seq - group[0].seq + 1, group[0].seq, 0)
        for seq, group in enumerate(groups, 1)
    ]  # fmt: skip


def borders(aggregates: list[Trade], start: int) -> tuple[Trade | None, Trade | None]:
    """Give the last aggregate before a minute and the last within it."""
    before = [a for a in aggregates if a.time < start]
    within = [a for a in aggregates if start <= a.time < start + MINUTE]
    return (before[-1] if before else None), (within[-1] if within else None)


@settings(deadline=None, max_examples=400)
@given(markets())
def test_what_the_venue_and_its_own_aggregates_say_is_never_a_dispute(market):
    fills, aggregates = market
    folds = bars_of(aggregates)
    for start, official in bars_of(fills).items():
        before, last = borders(aggregates, start)
        verdict = compare(official, folds.get(start), before=before, last=last)
        assert verdict is not Verdict.DIFFERENT
        same = start in folds and all(getattr(official, n) == getattr(folds[start], n) for n in VALUES if n != "trades")
        assert (verdict is Verdict.EQUAL) <= same  # what is called equal is equal, but for burned ids


@settings(deadline=None, max_examples=300)
@given(markets(), st.data())
def test_a_difference_that_no_border_explains_is_a_dispute(market, data):
    fills, aggregates = market
    folds = bars_of(aggregates)
    bars = bars_of(fills)
    start = data.draw(st.sampled_from(sorted(bars)))
    official = bars[start]
    before, last = borders(aggregates, start)
    most = (before.size if before else 0) + (last.size if last else 0)  # all that could have moved
    name = data.draw(st.sampled_from(["volume", "taker_buy_volume", "high", "low", "close", "trades", "quote_volume"]))
    wrong = {
        "volume": official.volume + 2 * most + 1,
        "taker_buy_volume": official.taker_buy_volume + 2 * most + 1,
        "quote_volume": official.quote_volume + 1,
        "high": official.high + 5,
        "low": official.low - 5,
        "close": official.close + 5,
        "trades": official.trades + 10_000,
    }[name]
    lied = replace(official, **{name: wrong})
    assert compare(lied, folds.get(start), before=before, last=last) is Verdict.DIFFERENT


@settings(deadline=None, max_examples=300)
@given(markets())
def test_single_executions_must_agree_on_all_nine_values(market):
    fills, _ = market
    bars = bars_of(fills)
    for start, official in bars.items():
        assert compare(official, bars[start]) is Verdict.EQUAL
        for name in VALUES:
            lied = replace(official, **{name: getattr(official, name) + 1})
            assert compare(lied, bars[start]) is Verdict.DIFFERENT


def test_the_count_may_be_lower_by_burned_ids_and_never_higher():
    fold = bars_of([trade(1, 0, fills=5, first=10)], aggregated=True)[T0]
    last = trade(1, 0, fills=5, first=10)
    assert compare(replace(fold, trades=4), fold, last=last) is Verdict.EQUAL
    assert compare(replace(fold, trades=6), fold, last=last) is Verdict.DIFFERENT
    assert compare(replace(fold, trades=4), fold) is Verdict.DIFFERENT  # single trades: no id is burned inside one


@pytest.mark.parametrize("named", [True, False])
def test_without_the_ids_that_a_bar_names_no_aggregate_may_be_moved(named):
    """Bars of REST and of archives name no ids: a difference at their borders cannot be explained away."""
    crossing = trade(1, 59_990 * MS, 100, 7, 1, fills=3, first=10)  # 3 of 7 in the next minute
    official = replace(bars_of([crossing])[T0], volume=4, quote_volume=400, trades=2, taker_buy_volume=4,
                       taker_buy_quote_volume=400, last_id=11)  # fmt: skip
    bar = official if named else replace(official, first_id=-1, last_id=-1)
    verdict = compare(bar, bars_of([crossing])[T0], last=crossing)
    assert verdict is (Verdict.BORDER if named else Verdict.DIFFERENT)


@settings(deadline=None, max_examples=120)
@given(markets(), st.data())
def test_streamed_aggregates_and_klines_end_proven_with_the_venues_values(market, data):
    fills, aggregates = market
    assume(len(aggregates) > 2)
    bars = bars_of(fills)
    book = Book("agg")
    collecting = Collecting(book)
    events = [(row.time, 0, row) for row in aggregates] + [
        (bar.start + MINUTE + data.draw(st.integers(0, 500)) * MS, 1, bar) for bar in bars.values()
    ]
    for _, kind, event in sorted(events, key=lambda one: one[:2]):
        if kind:
            collecting.kline(event)
        else:
            collecting.frames([event])
        if data.draw(st.booleans()):
            collecting.commit()
    collecting.commit()
    whole = range(aggregates[0].time // MINUTE * MINUTE + MINUTE, aggregates[-1].time // MINUTE * MINUTE, MINUTE)
    for start in whole:
        candle = book.store.candle(ID, start)
        assert candle.proof is Proof.PROVEN
        if start in bars:
            assert [getattr(candle, n) for n in VALUES] == [getattr(bars[start], n) for n in VALUES]
            fold = book.store.fold(book.tape.id, start)
            moved = fold is None or any(getattr(fold.bar, n) != getattr(candle, n) for n in VALUES if n != "trades")
            assert candle.border == moved


def both_borders(enters: Trade, leaves: Trade, gained: int, lost: int):
    """The venue's bar of a minute into which `gained` of one aggregate came and out of which `lost` of another went."""
    fold = bars_of([leaves])[T0]

    def bought(one: Trade, size: int) -> int:
        return size if one.side > 0 else 0

    return fold, replace(
        fold,
        open=enters.price,
        high=max(enters.price, leaves.price),
        low=min(enters.price, leaves.price),
        volume=fold.volume + gained - lost,
        quote_volume=fold.quote_volume + gained * enters.price - lost * leaves.price,
        trades=2,
        taker_buy_volume=fold.taker_buy_volume + bought(enters, gained) - bought(leaves, lost),
        taker_buy_quote_volume=fold.taker_buy_quote_volume
        + bought(enters, gained) * enters.price
        - bought(leaves, lost) * leaves.price,
        first_id=11,
        last_id=20,
    )


@pytest.mark.parametrize("prices", [(100, 100), (100, 101)])
@pytest.mark.parametrize("sides", [(1, 1), (-1, -1), (1, -1), (-1, 1)])
def test_aggregates_at_both_borders_are_told_apart_by_price_or_by_side(prices, sides):
    enters = trade(1, -10 * MS, prices[0], 5, sides[0], fills=2, first=10)  # its execution 11 lies in the minute
    leaves = trade(2, 59_990 * MS, prices[1], 7, sides[1], fills=2, first=20)  # its execution 21 beyond it
    fold, official = both_borders(enters, leaves, 3, 2)
    assert compare(official, fold, before=enters, last=leaves) is Verdict.BORDER
    if prices[0] == prices[1] and sides[0] == sides[1]:
        return  # any split of them gives the same sums
    for gained, lost in ((6, 2), (3, 8), (-1, 2), (3, -1)):  # more than there was, or less than nothing
        fold, lied = both_borders(enters, leaves, gained, lost)
        assert compare(lied, fold, before=enters, last=leaves) is Verdict.DIFFERENT


@pytest.mark.parametrize(("gained", "verdict"), [(1, Verdict.BORDER), (5, Verdict.BORDER), (6, Verdict.DIFFERENT)])
def test_no_more_can_have_moved_than_the_aggregate_held(gained, verdict):
    enters = trade(1, -10 * MS, 100, 5, 1, fills=2, first=10)
    inner = trade(2, 1, 100, 7, 1, fills=1, first=12)
    fold = bars_of([inner])[T0]
    official = replace(
        fold, volume=7 + gained, quote_volume=100 * (7 + gained), taker_buy_volume=7 + gained,
        taker_buy_quote_volume=100 * (7 + gained), trades=2, first_id=11,
    )  # fmt: skip
    assert compare(official, fold, before=enters, last=inner) is verdict


@pytest.mark.parametrize(("trades", "verdict"), [(1, Verdict.BORDER), (2, Verdict.BORDER), (3, Verdict.DIFFERENT)])
def test_executions_that_left_are_not_counted_again(trades, verdict):
    leaves = trade(1, 59_990 * MS, 100, 7, 1, fills=4, first=10)  # executions 12 and 13 lie beyond the border
    fold = bars_of([leaves])[T0]
    official = replace(
        fold, volume=4, quote_volume=400, taker_buy_volume=4, taker_buy_quote_volume=400, trades=trades, last_id=11
    )
    assert compare(official, fold, last=leaves) is verdict


def test_a_bar_that_begins_inside_the_aggregate_before_it_proves_its_minute_by_name():
    """Nothing has come after the minute: only the ids that the venue names say that it is whole."""
    fills = [trade(10, -10 * MS, 100, 2), trade(11, 10 * MS, 100, 3), trade(12, 30_000 * MS, 105, 1)]
    rows = aggregated(fills)
    assert [row.fills for row in rows] == [2, 1]
    book = Book("agg")
    book.trades(rows)
    book.bar(bars_of(fills)[T0])
    assert (book.candle().proof, book.candle().border, book.candle().volume) == (Proof.PROVEN, True, 4)


# Inverse contracts: the venue counts what they come to exactly and rounds their volume; we round the sizes

CONTRACT, WORTH = 100, 10**8  # dollars, in units of 10^-8 base at a price without digits


def inverse(counts_and_prices: list[tuple[int, int]]) -> tuple[Bar, Bar]:
    """Give the venue's bar of some trades, its volume to four digits, and our fold of their rounded sizes."""
    prices = [price for _, price in counts_and_prices]
    sizes = [divided(count * CONTRACT * WORTH, price) for count, price in counts_and_prices]
    volume = sum(Fraction(count * CONTRACT, price) for count, price in counts_and_prices)
    quote = sum(count * CONTRACT for count, _ in counts_and_prices) * WORTH
    shape = (0, prices[0], max(prices), min(prices), prices[-1])
    official = Bar(*shape, round(volume * 10**4) * 10**4, quote)
    turnover = sum(size * price for size, price in zip(sizes, prices, strict=True))
    return official, Bar(*shape, sum(sizes), turnover, len(sizes), 0, 0, 1, len(sizes))


TRADES = st.lists(st.tuples(st.integers(1, 5_000), st.integers(50_000, 100_000)), min_size=1, max_size=60)


@settings(deadline=None, max_examples=100)
@given(TRADES)
def test_what_an_inverse_contract_rounds_is_no_dispute(trades):
    assert compare(*inverse(trades), coarse=10**4) is Verdict.EQUAL


@settings(deadline=None, max_examples=100)
@given(TRADES, st.data())
def test_one_inverse_contract_that_is_missing_is_a_dispute(trades, data):
    """One contract too few of one trade, among others at the same prices, so that no price tells."""
    official, _ = inverse([*trades, *trades])
    at = data.draw(st.integers(0, len(trades) - 1))
    count, price = trades[at]
    assume(count > 1)
    _, fold = inverse([*trades[:at], (count - 1, price), *trades[at + 1 :], *trades])
    assert compare(official, fold, coarse=10**4) is Verdict.DIFFERENT
