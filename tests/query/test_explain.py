"""Explain tells for each part of a bar where it came from, and invents nothing."""

import json

from msgspec.structs import replace
from tapes import ID, T0, Book, Collecting, bars_of, trade

from gapless.derive.settle import Vouched
from gapless.model import MINUTE, SECOND, Evidence, Gap, Timeframe
from gapless.query.explain import explain
from gapless.query.market import Market

ROWS = [trade(n, (n - 3) * 20 * SECOND + SECOND, 100 + n, n) for n in range(1, 16)]  # three a minute, ids 3 to 5 in T0


def ask(book: Book, minutes: int = 1, at: int = 0):
    market = Market(book.store)
    told = explain(market, market.instrument(ID), Timeframe(minutes), T0 + at)
    json.dumps(told)
    return told


def test_a_repaired_minute_names_its_gap_its_filling_and_its_former_row():
    book = Book()
    gap = Gap(tape=book.tape.id, first=4, last=4, opened=50, cause="disconnect")
    book.trades(ROWS[:3])
    book.trades(ROWS[4:], gaps=[(book.tape, gap)])
    book.due(0)
    book.trades([replace(ROWS[3], received=77)], evidence=Evidence.REST, cause="repair")
    told = ask(book)
    assert (told["proof"], told["ids"]) == ("repaired", {"first": 3, "last": 5, "held": 3, "rows": 3, "voids": 0})
    (minute,) = told["minutes"]
    (former,) = minute["revisions"]
    assert (former["cause"], former["candle"]["proof"]) == ("repair", "partial")
    assert former["changed"] == [
        "volume",
        "quote_volume",
        "trades",
        "taker_buy_volume",
        "taker_buy_quote_volume",
        "proof",
    ]
    assert [(s["first"], s["last"], s["evidence"]) for s in told["spans"]] == [
        (3, 3, "stream"), (4, 4, "rest"), (5, 5, "stream"),
    ]  # fmt: skip
    assert told["spans"][1]["known"] == ["1970-01-01T00:00:00.000000077Z"] * 2
    (hole,) = told["gaps"]
    assert (hole["first"], hole["last"], hole["state"], hole["cause"], hole["filled_by"]) == (
        4, 4, "repaired", "disconnect", ["rest"],
    )  # fmt: skip


def test_the_venues_bar_and_ours_stand_side_by_side_with_their_difference():
    book = Book()
    book.trades(ROWS)
    official = bars_of(ROWS)[T0]
    book.bar(replace(official, volume=official.volume + 5, close=official.close - 1))
    (minute,) = ask(book)["minutes"]
    assert minute["verdict"] == "different"
    assert minute["difference"] == {"volume": "0.005", "close": "-0.01"}
    assert (minute["venue"]["volume"], minute["tape"]["volume"]) == ("0.017", "0.012")
    assert (minute["venue"]["first_id"], minute["venue"]["last_id"]) == (3, 5)
    book.bar(official)
    (minute,) = ask(book)["minutes"]
    assert (minute["verdict"], minute["difference"], minute["origin"]) == ("equal", {}, "venue")


def test_a_difference_at_the_border_is_explained_as_one():
    """An aggregate of which one execution lies beyond the minute."""
    book = Book("agg")
    rows = [
        trade(1, -SECOND, 100, 1, first=10),
        trade(2, 59 * SECOND, 101, 7, fills=3, first=11),
        trade(3, 80 * SECOND, first=20),
    ]
    book.trades(rows)
    whole = bars_of(rows)[T0]
    book.bar(
        replace(whole, volume=5, quote_volume=505, trades=2, taker_buy_volume=5, taker_buy_quote_volume=505, last_id=12)
    )
    told = ask(book)
    (minute,) = told["minutes"]
    assert (minute["verdict"], minute["border"], told["proof"]) == ("border", True, "proven")
    assert minute["difference"]["volume"] == "-0.002"


def test_trades_that_are_not_whole_are_compared_without_a_verdict():
    book = Book()
    book.trades(ROWS[:3])
    book.trades(ROWS[4:])
    book.bar(replace(bars_of(ROWS)[T0], first_id=-1, last_id=-1), now=2 * MINUTE)
    (minute,) = ask(book)["minutes"]
    assert (minute["verdict"], minute["whole"], minute["difference"]["trades"]) == (None, False, 1)


def test_every_minute_of_a_longer_bar_is_told_and_missing_ones_are_named():
    book = Book()
    book.trades(ROWS)
    told = ask(book, minutes=5)
    assert [(m["start"], m["proof"]) for m in told["minutes"]] == [
        ("2026-01-07T12:00:00Z", "proven"), ("2026-01-07T12:01:00Z", "proven"), ("2026-01-07T12:02:00Z", "proven"),
        ("2026-01-07T12:03:00Z", "proven"), ("2026-01-07T12:04:00Z", "missing"),
    ]  # fmt: skip
    assert told["missing"] == [["2026-01-07T12:04:00Z", "2026-01-07T12:05:00Z"]]
    assert told["candle"]["proof"] == "partial"


def test_voids_are_counted_and_not_called_missing():
    book = Book()
    rows = [ROWS[1], ROWS[2], ROWS[4], ROWS[5]]
    book.commit(trades=[(book.tape, rows)], vouched=[Vouched(book.tape, 2, 6, Evidence.STREAM)])
    told = ask(book)
    assert told["ids"] == {"first": 3, "last": 5, "held": 3, "rows": 2, "voids": 1}
    assert (told["gaps"], told["proof"]) == ([], "proven")


def test_a_hole_at_the_border_of_a_bar_touches_it():
    """Which minute the lost ids fell into nobody knows: both bars beside them name the gap."""
    book = Book()
    gap = Gap(tape=book.tape.id, first=5, last=6, opened=1, cause="jump")
    book.trades(ROWS[:4])
    book.trades(ROWS[6:], gaps=[(book.tape, gap)])
    assert [g["first"] for at in (0, MINUTE) for g in ask(book, at=at)["gaps"]] == [5, 5]
    assert ask(book, at=2 * MINUTE)["gaps"] == []


DAY = 86_400 * SECOND
RECEIVED = [replace(row, received=11 * DAY + 10 * row.seq) for row in ROWS]


def test_connections_are_those_of_the_time_in_which_the_bar_was_received():
    book = Book()
    events = [
        ("connected", "binance/public/1", {"streams": 3}, 10 * DAY + 100),
        ("connected", "binance/public/2", {}, 10 * DAY + 110),
        ("disconnected", "binance/public/2", {"code": 1006}, 10 * DAY + 120),
        ("disconnected", "binance/public/1", {"code": 1006}, 11 * DAY + 50),
        ("connected", "binance/public/1", {}, 11 * DAY + 60),
        ("connected", "okx/public/1", {}, 11 * DAY + 61),
        ("disconnected", "binance/public/1", {}, 11 * DAY + 900),
    ]
    book.trades(RECEIVED, events=events)
    told = ask(book)  # ids 3 to 5, received at 30 to 50
    assert [(e["kind"], e["subject"]) for e in told["events"]] == [
        ("connected", "binance/public/1"), ("disconnected", "binance/public/1"),
    ]  # fmt: skip
    assert [e["kind"] for e in ask(book, at=MINUTE)["events"]] == ["connected"]
    assert (told["doubled"], told["spent"]) == (None, None)


def test_doubles_are_counted_for_the_bar_that_they_were_dropped_from():
    """They are told when the next minute begins, at the time of its first trade."""
    book = Book()
    name = book.tape.name
    events = [("doubled", name, {"doubled": n}, RECEIVED[seq - 1].received) for n, seq in ((4, 3), (2, 6), (9, 9))]
    book.trades(RECEIVED, events=[*events, ("doubled", "binance:OTHER trade", {"doubled": 50}, 11 * DAY + 40)])
    assert [ask(book, at=at)["doubled"] for at in (0, MINUTE)] == [2, 9]
    assert ask(book, minutes=2)["doubled"] == 11


def test_what_a_repair_cost_is_told_for_the_gap_that_it_filled():
    book = Book()
    gap = Gap(tape=book.tape.id, first=4, last=4, opened=11 * DAY + 35, cause="disconnect")
    name = book.tape.name
    events = [
        ("repaired", name, {"ids": 1, "weight": 20}, 11 * DAY + 60),
        ("repaired", name, {"ids": 9, "weight": 40}, 11 * DAY + 10),
        ("repaired", "binance:OTHER trade", {"ids": 1, "weight": 20}, 11 * DAY + 61),
    ]
    book.trades(RECEIVED[:3])
    book.trades(RECEIVED[4:], gaps=[(book.tape, gap)], events=events)
    book.known_at = 11 * DAY + 70
    book.trades([RECEIVED[3]], evidence=Evidence.REST, cause="repair")
    assert ask(book)["spent"] == {"weight": 20, "requests": 1}
    assert ask(book, at=MINUTE)["spent"] is None


def test_a_bar_of_which_nothing_is_held_is_told_as_missing():
    book = Book()
    told = ask(book)
    assert (told["proof"], told["ids"], told["spans"], told["gaps"], told["events"]) == ("missing", None, [], [], [])


def test_an_instrument_without_trades_is_explained_from_its_bars():
    book = Book()
    book.store.connection.execute("DELETE FROM tape WHERE kind <> 'bars'")
    book.bar(bars_of(ROWS)[T0], now=2 * MINUTE)
    book.store.connection.execute("UPDATE coverage SET evidence = ?", (int(Evidence.ARCHIVE),))
    told = ask(book)
    assert (told["tape"], told["ids"]) == (None, None)
    (minute,) = told["minutes"]
    assert minute["venue"]["volume"] == "0.012"
    assert [(s["tape"], s["evidence"]) for s in told["spans"]] == [("binance:TESTUSDT bars", "archive")]


def test_what_a_collector_writes_is_explained():
    book = Book()
    collecting = Collecting(book)
    for row in ROWS:
        collecting.frames([row])
        collecting.commit()
    collecting.kline(bars_of(ROWS)[T0])
    collecting.commit()
    told = ask(book)
    (minute,) = told["minutes"]
    assert (minute["streamed"], minute["verdict"], minute["origin"]) == (True, "equal", "venue")
