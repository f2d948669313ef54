"""What grows old goes, and nothing else: candles, proofs and what was asked for stay as they were."""

import asyncio

import pytest
from aging import AGES, BORDER, ROWS, Still, drop, everything, ids, market, ten_days
from tapes import ID, T0, Book, bars_of, trade

from gapless.collect.line import load_line
from gapless.collect.retention import Retention
from gapless.derive.settle import Vouched
from gapless.model import DAY, HOUR, MINUTE, SECOND, Evidence, Gap, parse_timeframe
from gapless.query.audit import audit_tape
from gapless.query.feed import now, step_after
from gapless.tape.aging import Ages


@pytest.fixture
def book() -> Book:
    return ten_days()


NEVER = Ages(trades=None, ladders=None, events=None, log=None)


def test_candles_and_folds_are_the_same_after_their_trades_went(book):
    before = everything(book)
    done = drop(book)
    left = book.store.trades(book.tape.id, 0, 10**9)
    young = [row for row in ROWS if row.time >= BORDER]
    assert left == ROWS[-len(young) - 1 :]  # and the one before, which proves where the first minute begins
    assert done.trades == len(ROWS) - len(left)
    assert done.ladders > 0
    assert everything(book) == before


def test_every_commit_on_the_way_leaves_rows_and_ledger_as_one(book, monkeypatch):
    monkeypatch.setattr("gapless.collect.retention._ROWS", 97)
    retention = Retention(book.store, AGES, Still())
    book.store.commit(retention._begin)
    before, commits = everything(book), 0
    for task in retention._tasks():
        while book.store.commit(task):  # a kill between any two of them finds this
            commits += 1
            found = audit_tape(book.store, book.tape)
            assert (found.holes, found.voids, found.rows) == ([], 0, found.held)
            assert found.held + found.expired == len(ROWS)
    assert commits > 20
    assert everything(book) == before
    assert drop(book).sentence == "nothing was too old"


def test_a_failed_commit_drops_nothing(book, monkeypatch):
    rows = book.store.counts(book.tape.id, 0, 10**9)
    monkeypatch.setattr(book.store, "put_expired", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        drop(book)
    monkeypatch.undo()
    assert book.store.counts(book.tape.id, 0, 10**9) == rows
    assert audit_tape(book.store, book.tape).expired == 0


def test_a_store_at_which_nobody_collects_does_not_grow_older(book):
    drop(book)
    left = book.store.counts(book.tape.id, 0, 10**9)
    assert asyncio.run(Retention(book.store, AGES, Still(T0 + 900 * DAY)).run()).trades == 0
    assert book.store.counts(book.tape.id, 0, 10**9) == left


def test_a_wrong_time_of_one_event_drops_nothing_that_the_clock_knows_to_be_young(book):
    book.trades([trade(len(ROWS) + 1, 900 * DAY)])
    book.due(900 * 1440, now=901 * DAY)
    asyncio.run(Retention(book.store, AGES, Still(ROWS[-1].time)).run())
    young = [row for row in ROWS if row.time >= ROWS[-1].time - 3 * DAY]
    assert len(book.store.trades(book.tape.id, 0, len(ROWS))) >= len(young)


def test_a_tape_that_fell_silent_keeps_its_newest_minute(book):
    drop(book, Ages(trades=HOUR, ladders=HOUR, events=None, log=None))
    newest = ROWS[-1].time - ROWS[-1].time % MINUTE
    assert book.store.trade_before(book.tape.id, 10**9) == ROWS[-1]
    assert book.store.minute(book.tape.id, newest).first_seq in {row.seq for row in ROWS[-2:]}


def test_a_minute_that_was_never_folded_is_folded_before_its_trades_go():
    rows = [trade(n, n * 20 * MINUTE) for n in range(1, 600)]
    book = Book()
    book.trades(rows[:10])
    book.trades(rows[200:], wanted=[(book.tape, 201, 599)])
    book.bar(bars_of(rows)[rows[-1].time // MINUTE * MINUTE], now=20 * DAY)
    open_still = [row.start for row in book.store.unfolded(book.tape.id, 0, rows[9].time + 1)]
    assert open_still == [rows[9].time // MINUTE * MINUTE]
    drop(book, Ages(trades=DAY, ladders=None, events=None, log=None))
    assert book.store.fold(book.tape.id, open_still[0]).bar.close == rows[9].price


def test_what_was_asked_for_stays_and_so_do_the_minutes_at_its_ends(book):
    kept = (len(ROWS) // 3, len(ROWS) // 2)
    book.commit(kept=[(book.tape, *kept)])
    before = everything(book)
    drop(book)
    assert book.store.counts(book.tape.id, *kept) == kept[1] - kept[0] + 1
    assert book.store.counts(book.tape.id, 0, kept[0] - 1) == 0
    assert book.store.counts(book.tape.id, kept[1] + 1, kept[1] + 10) == 0
    assert everything(book) == before
    inside = ROWS[kept[0]].time // MINUTE * MINUTE
    assert book.store.fold(book.tape.id, inside).ladder
    drop(book, imported=[ID])
    assert book.store.counts(book.tape.id, *kept) == 0
    assert book.store.fold(book.tape.id, inside).ladder == b""
    assert everything(book) == before


def test_a_file_that_was_let_go_can_be_imported_again(book):
    for name in ("binance/TESTUSDT-trades-2026-01-07.zip", "binance/TESTUSDTX-trades-2026-01-07.zip"):
        book.store.put_archive(name, "hash", verified=True, rows=1, at=0)
    drop(book, imported=[ID])
    assert book.store.archive("binance/TESTUSDT-trades-2026-01-07.zip") is None
    assert book.store.archive("binance/TESTUSDTX-trades-2026-01-07.zip") == "hash"


def test_an_open_gap_that_grows_too_old_expires_by_name_and_is_no_hole():
    rows = [row for row in ROWS if not 100 < row.seq <= 120]
    book = market(rows)
    gap = Gap(tape=book.tape.id, first=101, last=120, opened=7, cause="disconnect")
    book.commit(gaps=[(book.tape, gap)])
    assert len(audit_tape(book.store, book.tape).holes) == 1
    assert drop(book).gaps == 1
    assert book.store.gaps(book.tape.id, "open") == []
    (named,) = book.store.gaps(book.tape.id, "expired")
    assert (named.first, named.last, named.cause, named.reason) == (101, 120, "disconnect", "older than what is kept")
    found = audit_tape(book.store, book.tape)
    assert (found.holes, found.expired + found.held) == ([], len(ROWS))
    (entry,) = [e for e in book.store.log_after(0, -1, 10**6) if e.kind == "gap" and e.known_at == Still().wall()]
    assert (entry.first, entry.last) == (101, 120)


def test_a_restart_wants_nothing_that_has_expired(book):
    drop(book)
    line = load_line(book.store, book.store.instruments()[0], book.tape, book.bars)
    track = line.trades
    assert track.holes() == []
    track.history = 10**6  # history that reaches back into what has expired
    track.begin(len(ROWS) + 1, ROWS[-1].time + 30 * DAY, within=DAY)
    track.saw(len(ROWS) + 1, ROWS[-1].time + 30 * DAY)
    expired = book.store.expired(book.tape.id, "trades")
    assert all(last < expired[0][0] or first > expired[-1][1] for first, last in track.holes())


def test_a_collector_that_wants_its_whole_interval_again_does_not_want_what_expired(book):
    drop(book)
    (border,) = {last + 1 for _, last in book.store.expired(book.tape.id, "trades")}
    rows = [trade(len(ROWS) + 1, ROWS[-1].time - T0 + SECOND)]
    book.trades(rows, wanted=[(book.tape, 1, len(ROWS) + 1)])
    assert book.store.wanted(book.tape.id) == [(border, len(ROWS) + 1)]
    assert audit_tape(book.store, book.tape).holes == []


def test_the_log_ages_by_whole_commits_and_numbers_go_on(book):
    newest = now(book.store)
    oldest = step_after(book.store, newest.__class__(0, 0)).begin
    half = book.known_at = newest.number // 2
    book.store.connection.execute("UPDATE log SET known_at = number * ?", (SECOND,))
    wall = half * SECOND + HOUR
    done = asyncio.run(Retention(book.store, Ages(trades=None, events=None, log=HOUR), Still(wall)).run())
    assert done.log > 0
    assert book.store.log_span()[0] == half
    assert step_after(book.store, oldest).begin > oldest  # which a stream tells as `expired {from}`
    assert asyncio.run(Retention(book.store, Ages(trades=None, log=HOUR), Still(wall + 900 * DAY)).run()).log > 0
    assert book.store.log_span() == (newest.number - 1, newest.number - 1)
    book.trades([trade(len(ROWS) + 1, 20 * DAY)])
    assert book.store.log_span()[1] == newest.number


def test_events_age_and_what_a_backfill_brought_whole_is_remembered(book):
    told = {"start": 0, "end": 1, "first": 0, "last": -1}
    book.commit(
        events=[("connected", "binance/public/1", {}, 5), ("backfilled", book.tape.name, told, 5)],
        vouched=[Vouched(book.tape, 1, 1, Evidence.STREAM)],
    )
    done = asyncio.run(Retention(book.store, Ages(trades=None, log=None), Still(5 + 90 * DAY)).run())
    assert done.events == 0
    done = asyncio.run(Retention(book.store, Ages(trades=None, log=None), Still(6 + 90 * DAY)).run())
    assert (done.events, done.sentence) == (1, "1 events went")
    assert [kind for kind, *_ in book.store.events(("connected", "backfilled"), 0)] == ["backfilled"]


def test_what_is_for_ever_stays(book):
    assert drop(book, NEVER).sentence == "nothing was too old"


def test_the_plan_names_what_then_goes(book):
    planned = Retention(book.store, AGES, Still()).plan()
    done = drop(book)
    assert {one.kind: one.rows for one in planned} == {
        "trades": done.trades,
        "ladders": done.ladders,
        "log": done.log,
    }
    assert all(one.bytes for one in planned)
    assert all(T0 <= one.start < one.end < BORDER + MINUTE for one in planned if one.tape)
    assert Retention(book.store, AGES, Still()).plan() == []


def test_candles_on_our_own_basis_are_the_same_after_their_trades_went(book):
    from gapless.query.market import Market

    asked = Market(book.store)
    instrument = book.store.instruments()[0]
    before = asked.candles(instrument, parse_timeframe("15m"), basis="tape").rows
    drop(book)
    assert asked.candles(instrument, parse_timeframe("15m"), basis="tape").rows == before
    assert ids(book.store.expired(book.tape.id, "trades")) > len(ROWS) // 2
