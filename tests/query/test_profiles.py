"""A profile is the volume of a whole session, and a naked point of control is one that nothing later has touched."""

import json
from typing import Any

import pytest
from serving import served
from tapes import ID, T0, Book, trade

import gapless
from gapless.cli.app import run
from gapless.derive.footprint import footprint_of
from gapless.derive.ladder import ladder_of
from gapless.model import HOUR, MINUTE, SECOND, Timeframe
from gapless.query.market import Market
from gapless.query.profiles import profile_answer, profiles

FOUR = Timeframe(240)  # sessions of T0, T0 + 4 h, ...


def session(number: int, *prices: int, size: int = 1) -> list[tuple[int, int, int]]:
    return [(number * 4 * HOUR + n * MINUTE + SECOND, price, size) for n, price in enumerate(prices)]


def book_of(*rows: tuple[int, int, int], path: str = ":memory:", lost: tuple[int, int] = (0, 0)) -> Book:
    """Trades in their order, by stream; those numbered from `lost[0]` to before `lost[1]` did not come."""
    trades = [trade(n + 1, time, price, size) for n, (time, price, size) in enumerate(rows)]
    book = Book(path=path)
    book.trades([trade(0, -SECOND), *trades[: lost[0] or None]])
    if lost[1]:
        book.trades(trades[lost[1] :])
    book.due(*range(trades[-1].time // MINUTE - T0 // MINUTE), now=48 * HOUR)
    return book


def naked(book: Book, **asked: Any) -> list[bool | None]:
    market = Market(book.store)
    return profiles(market, market.instrument(ID), FOUR, ticks_per_row=1, **asked)[1]


def test_a_profile_is_formed_of_every_trade_of_its_session_by_steps_of_two_rows() -> None:
    rows = [(n * 30 * SECOND, 100 + n * 7_919 % 12, 1 + n % 9) for n in range(600)]
    market = Market(book_of(*rows).store)
    (bar,), _, missing = profiles(market, market.instrument(ID), FOUR, last=1, ticks_per_row=1)
    inside = [trade(n, *row) for n, row in enumerate(rows) if row[0] < 4 * HOUR]
    assert bar.footprint == footprint_of(
        ladder_of(inside), tick=1, ticks_per_row=1, close=inside[-1].price, profile=True
    )
    assert (bar.footprint.rows_per_step, len(bar.footprint.rows), missing) == (2, 12, [])


@pytest.mark.parametrize(
    ("later", "expected"),
    [((101, 103), True), ((99, 98), True), ((99, 101), False), ((100,), False), ((101, 100), False)],
)
def test_naked_is_what_no_later_range_reached(later: tuple[int, ...], expected: bool) -> None:
    book = book_of(*session(0, 100, 100), *session(1, *later), *session(2, 500))
    assert naked(book, start=T0, end=T0 + 4 * HOUR) == [expected]


def test_the_open_session_touches_too_also_where_it_is_not_shown() -> None:
    book = book_of(*session(0, 100, 100), *session(1, 200, 200), *session(2, 150, 200, 300))
    assert naked(book, last=2) == [True, False]
    assert naked(book, last=2, live=True) == [True, False, True]


def test_whether_it_is_naked_is_not_claimed_over_a_hole() -> None:
    rows = [*session(0, 100, 100), *session(1, 200, 201, 202, 203), *session(2, 300), *session(3, 300)]
    assert naked(book_of(*rows), start=T0, end=T0 + 4 * HOUR) == [True]
    assert naked(book_of(*rows, lost=(3, 5)), start=T0, end=T0 + 4 * HOUR) == [None]
    touched = [*session(0, 100, 100), *session(1, 100, 201, 202, 203), *session(2, 300), *session(3, 300)]
    assert naked(book_of(*touched, lost=(3, 5)), start=T0, end=T0 + 4 * HOUR) == [False]


def test_a_session_without_trades_has_no_point_of_control() -> None:
    book = book_of(*session(0, 100), *session(2, 100), *session(3, 100))
    market = Market(book.store)
    answer = profile_answer(market, market.instrument(ID), FOUR, T0, T0 + 8 * HOUR)
    assert [(row["poc"], row["poc_naked"], row["volume"]) for row in answer["rows"]] == [
        ("1.00", False, "0.001"), (None, None, "0.000"),
    ]  # fmt: skip


def test_the_command_python_and_http_answer_alike(tmp_path: Any, capsys: Any) -> None:
    path = str(tmp_path / "tape.db")
    book_of(*session(0, 100, 101, 100, 109), *session(1, 105), *session(2, 106), path=path)
    command = ["profile", ID, "--session", "4h", "--last", "2", "--store", path]
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["rows"]
    with gapless.open(path) as stored, served(path) as url, gapless.open(url) as running:
        one, other = (market.profile(ID, "4h", last=2) for market in (stored, running))
        single = running.profile(ID, "4h")
    assert [(row.session, row.poc, row.rows, row.hvn, row.poc_naked) for row in one] == [
        (row.session, row.poc, row.rows, row.hvn, row.poc_naked) for row in other
    ]
    assert [(row["session"], row["poc"], row["poc_naked"]) for row in told] == [
        ("240m", str(row.poc), row.poc_naked) for row in one
    ]
    assert len(single) == 1
    assert one.to_polars().height == sum(len(row.rows) for row in one)
    assert run(command) == 0
    text = capsys.readouterr().out
    assert "POC naked: no later session has touched it" in text
    assert "quality " in text
    assert run(["profile", ID, "--session", "5y", "--store", path]) == 2
