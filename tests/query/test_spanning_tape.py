"""A tape of takers' rows, from frames and pages to every proof: audit, explain, replay, and as it was known before."""

import asyncio
import json

from aging import Still
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from swaps import OKX, SWAP, T0, Swap, by_minute, candle, market
from test_as_of import answers

from gapless.collect.replay import Replay
from gapless.collect.retention import Retention
from gapless.derive.signals.settings import SignalSettings
from gapless.model import DAY, HOUR, MINUTE, MS, Bar, Evidence, Proof
from gapless.query.audit import audit_tape
from gapless.query.market import Market
from gapless.store.sqlite import SqliteStore
from gapless.tape.aging import Ages


@settings(deadline=None, max_examples=8)
@given(st.data())
def test_whatever_comes_live_and_by_history_each_execution_is_held_once_and_proves_its_minute(data):
    takers = market(data.draw(st.integers(18, 22)))
    executions = [one for fills in takers for one in fills]
    swap, kept = Swap("span"), []
    heard = [data.draw(st.integers(0, 9)) > 1 for _ in takers]
    heard[0] = heard[-1] = True
    live = [fills for fills, came in zip(takers, heard, strict=True) if came]
    for at in range(0, len(live), 5):
        some = live[at : at + 5]
        swap.takers(data.draw(st.permutations([*some, some[0]])) if at else some)
        if data.draw(st.booleans()):
            low = data.draw(st.integers(0, len(executions) - 1))
            swap.page(executions[low : low + data.draw(st.integers(1, 9))])  # a page that breaks off inside a taker
        swap.commit()
        kept.append((swap.known_at, answers(Market(swap.store))))
    swap.takers(takers)  # all of it once more: what is held in part is left out
    whole = range(1, max(by_minute(executions)))
    for minute in whole:
        swap.hear("candle1m", [candle(executions, minute)])
    swap.commit()
    swap.page(executions)
    swap.commit()
    swap.close_due()
    told = audit_tape(swap.store, swap.tape)
    assert (told.held, told.rows, told.voids, told.holes) == (len(executions), len(executions), 0, [])
    rows = swap.store.trades(swap.tape.id, 0, 2**62)
    assert [seq for row in rows for seq in range(row.first_fill, row.seq + 1)] == [one.id for one in executions]
    assert sum(row.size for row in rows) == sum(int(one.size * 10**4) for one in executions)
    for minute in whole:
        told = swap.store.candle(SWAP.id, (T0 + minute * 60_000) * MS)
        assert told.proof in (Proof.PROVEN, Proof.REPAIRED)
        assert told.trades == len(by_minute(executions)[minute])
    target = SqliteStore(":memory:", environment="live")
    replay = Replay(swap.store, target, SWAP, T0 * MS, T0 * MS + DAY, SignalSettings())
    list(replay.run())
    assert replay.differences == []
    for moment, told in kept[1:]:
        assert answers(Market(swap.store).as_of(moment)) == told


def test_a_successor_is_linked_by_the_first_execution_of_its_first_row_and_not_by_the_rows_id():
    takers = market(4)
    swap = Swap("span")
    swap.takers(takers[:2])
    name = OKX.streams.stream(SWAP, "span").name
    for at, linked in ((3, False), (2, True)):
        fills, firsts = takers[at], {}
        row = {**fills[-1].row, "sz": "1", "count": str(len(fills))}
        raw = json.dumps({"arg": {"channel": "trades", "instId": SWAP.symbol}, "data": [row]}).encode()
        swap.pipeline.batch(OKX.streams.group([raw]).runs, 1, 1, firsts)
        assert (firsts, swap.pipeline.linked(name, firsts[name])) == ({name: fills[0].id}, linked)


def test_what_retention_lets_go_ends_between_rows_so_that_nothing_comes_back_twice():
    takers = market(100, every=60_000)
    executions = [one for fills in takers for one in fills]
    swap = Swap("span")
    swap.takers(takers)
    swap.commit()
    swap.close_due()
    asked = (takers[10][0].id + 1, takers[14][-1].id - 1)  # what somebody asked for begins and ends inside rows
    swap.store.commit(lambda tx: tx.put_kept(swap.tape.id, [asked]))
    asyncio.run(Retention(swap.store, Ages(trades=HOUR, ladders=None, events=None, log=None), Still()).run())
    told = audit_tape(swap.store, swap.tape)
    rows = swap.store.trades(swap.tape.id, 0, 2**62)
    assert (told.voids, told.holes, told.held + told.expired) == (0, [], len(executions))
    stayed = [seq for row in rows for seq in range(row.first_fill, row.seq + 1)]
    gone = [seq for first, last in swap.store.expired(swap.tape.id, "trades") for seq in range(first, last + 1)]
    assert sorted(stayed + gone) == [one.id for one in executions]  # each either stayed or went, and none is both
    assert set(range(asked[0], asked[1] + 1)) <= set(stayed)
    assert min(seq for seq in stayed if seq > takers[15][0].id) not in {row.seq for row in rows}  # a row of several


def test_what_another_process_brought_meanwhile_is_not_held_twice_and_the_rest_of_the_row_is_a_hole():
    takers = market(12)
    executions = [one for fills in takers for one in fills]
    row = takers[5]
    assert len(row) == 3
    for parts, left in ((row[:2], [(row[2].id, row[2].id)]), (row, []), (row[1:], [(row[0].id, row[0].id)])):
        swap, other = Swap("span"), Swap("span")
        other.store = swap.store
        swap.takers(takers)  # heard, and not yet committed
        other.page(parts)
        other.commit()
        swap.commit()
        told = audit_tape(swap.store, swap.tape)
        rows = swap.store.trades(swap.tape.id, 0, 2**62)
        held = [seq for one in rows for seq in range(one.first_fill, one.seq + 1)]
        assert [(hole.first, hole.last) for hole in told.holes] == left
        assert sorted(held + [seq for hole in left for seq in range(*hole)] + [first for first, _ in left]) == [
            one.id for one in executions
        ]
        assert told.voids == 0


def test_digits_that_grow_while_a_bar_is_on_its_way_leave_unknown_what_it_does_not_tell():
    swap, minute = Swap(), (T0 + 60_000) * MS // MINUTE
    swap.pipeline.fill_bars(swap.line, [Bar(minute * MINUTE, 1, 1, 1, 1, 5)], (minute, minute), Evidence.REST)
    swap.store.put_instrument(replace(SWAP, price_digits=3))
    swap.commit()
    told = swap.store.candle(SWAP.id, minute * MINUTE)
    assert (told.open, told.volume) == (100, 5)
    assert (told.trades, told.quote_volume, told.taker_buy_volume, told.taker_buy_quote_volume) == (None,) * 4
