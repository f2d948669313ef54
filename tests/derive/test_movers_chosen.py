"""Which instruments are the top movers: what must not be among them, and what must not be missed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gapless.derive.movers import exchanged, movers
from gapless.model import Instrument, Ticker


def perpetual(symbol: str, **other: object) -> Instrument:
    made = Instrument(
        venue="v", symbol=symbol, base=symbol, quote="USDT", kind="perpetual", price_digits=2, size_digits=3, tick=1
    )
    return replace(made, **other)


def ticker(symbol: str, change: str, *, volume: str = "1", turnover: str = "100", trades: int = 1) -> Ticker:
    return Ticker(f"v:{symbol}", 0, "1", "1", "1", "1", volume, turnover, change, trades, 0, 1)


def chosen(instruments, tickers, gainers=2, losers=2, floor=0) -> list[str]:
    found = movers(instruments, tickers, gainers=gainers, losers=losers, min_quote_volume=floor)
    return [name.removeprefix("v:") for name in found]


CHANGES = {"A": "5.1", "B": "-3.25", "C": "0.000", "D": "12", "E": "-0.4", "F": "-11.020"}
ALL = [perpetual(symbol) for symbol in CHANGES]
TICKERS = [ticker(symbol, change) for symbol, change in CHANGES.items()]


def test_those_that_rose_most_come_first_and_then_those_that_fell_most():
    assert chosen(ALL, TICKERS) == ["D", "A", "F", "B"]
    assert chosen(ALL, TICKERS, gainers=0) == ["F", "B"]
    assert chosen(ALL, TICKERS, losers=0, gainers=1) == ["D"]


def test_one_that_is_among_the_highest_and_the_lowest_is_taken_once():
    assert chosen(ALL, TICKERS, gainers=4, losers=4) == ["D", "A", "C", "E", "F", "B"]


@pytest.mark.parametrize(
    "other",
    [{"status": "halted"}, {"status": "delisted"}, {"quote": "USDC"}, {"kind": "future"}, {"kind": "spot"}],
)
def test_what_does_not_trade_as_a_perpetual_in_usdt_is_no_mover(other):
    assert chosen([replace(one, **other) if one.symbol == "D" else one for one in ALL], TICKERS) == ["A", "C", "F", "B"]


@pytest.mark.parametrize(
    "other",
    [{"trades": 0}, {"volume": "0.000"}, {"quote_volume": "99.999999"}, {"change_percent": "much"}, {"volume": "-1"},
     {"quote_volume": "1e9"}],
)  # fmt: skip
def test_what_was_not_traded_enough_or_says_no_number_is_no_mover(other):
    rows = [replace(row, **other) if row.instrument == "v:D" else row for row in TICKERS]
    assert chosen(ALL, rows, floor=100) == ["A", "C", "F", "B"]
    assert chosen(ALL, TICKERS, floor=100) == ["D", "A", "F", "B"]


def test_an_instrument_of_which_nobody_says_how_it_moved_is_left_out_and_so_is_one_that_nobody_lists():
    assert chosen(ALL, TICKERS[:3]) == ["A", "C", "B"]
    assert chosen(ALL[:2], TICKERS) == ["A", "B"]


def test_how_many_change_is_counted_by_the_larger_side():
    assert exchanged(["a", "b", "c"], ["c", "d"]) == 2
    assert exchanged(["a"], ["a", "b", "c"]) == 2
    assert exchanged(["a", "b"], ["b", "a"]) == 0


@given(
    st.dictionaries(st.text("ABCDEFGH", min_size=1, max_size=3), st.decimals(-99, 99, places=3), max_size=30),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_nobody_left_out_moved_more_than_somebody_chosen(changes, gainers, losers):
    instruments = [perpetual(symbol) for symbol in changes]
    rows = [ticker(symbol, f"{change:f}") for symbol, change in changes.items()]
    found = chosen(instruments, rows, gainers, losers)
    assert len(found) == len(set(found)) == min(len(found), gainers + losers)
    ordered = sorted(changes.values())
    highest = ordered[len(ordered) - min(gainers, len(ordered)) :]
    lowest = ordered[:losers]
    least = min(highest, default=Decimal(1_000))
    most = max(lowest, default=Decimal(-1_000))
    assert all(change <= least and change >= most for symbol, change in changes.items() if symbol not in found)
    assert len(found) >= min(max(gainers, losers), len(changes))
    assert found == chosen(instruments[::-1], rows[::-1], gainers, losers)


def test_what_tickers_do_not_tell_is_made_of_what_they_do():
    """Of contracts a venue may tell neither how many traded, nor their quote volume, nor the change."""

    def untold(symbol: str, opened: str, last: str, volume: str) -> Ticker:
        return replace(ticker(symbol, "", volume=volume, turnover="", trades=-1), open=opened, last=last)

    rows = [untold("A", "100", "103", "1"), untold("B", "3", "2", "50"), untold("C", "0", "1", "9"), *TICKERS[3:]]
    assert chosen(ALL, rows, floor=100) == ["D", "A", "B", "F"]
    assert chosen(ALL, rows, floor=102) == ["A"]
