"""What of a venue is collected where nothing was named: nobody's usual market must be left out, or doubled."""

import json
from pathlib import Path

from gapless.derive.products import busiest, usual
from gapless.model import Instrument, Ticker


def product(symbol: str, *, kind: str = "spot", status: str = "trading") -> Instrument:
    base, _, quote = symbol.partition("-")
    return Instrument(
        venue="v", symbol=symbol, base=base, quote=quote, kind=kind, status=status, price_digits=2, size_digits=2,
        tick=1,
    )  # fmt: skip


def ticker(symbol: str, quote_volume: str, volume: str = "1", last: str = "1") -> Ticker:
    return Ticker(
        instrument=f"v:{symbol}", time=0, last=last, open="", high="", low="", volume=volume,
        quote_volume=quote_volume, change_percent="", trades=-1, first_id=-1, last_id=-1,
    )  # fmt: skip


def symbols(found: list[Instrument]) -> list[str]:
    return [one.symbol for one in found]


def test_all_online_products_in_dollars_of_the_recorded_list_are_the_usual_ones(real_data: Path) -> None:
    rows = json.loads((real_data / "coinbase/products_20241129.json").read_text())
    listed = [product(row["id"], status="trading" if row["status"] == "online" else "delisted") for row in rows]
    expected = [row["id"] for row in rows if row["id"].endswith("-USD") and row["status"] == "online"]
    assert symbols(usual(listed)) == expected
    assert len(expected) == 263


def test_where_nearly_everything_is_quoted_in_tether_that_is_usual() -> None:
    tether = [product(f"{letter}-USDT") for letter in "ABCDE"]
    dollars = [product("A-USD"), product("B-USD")]
    assert usual([*dollars, *tether]) == tether
    assert usual([*dollars, product("C-USD"), *tether]) == [*dollars, product("C-USD")]


def test_of_spot_and_swaps_the_spot_is_usual_and_of_swaps_alone_the_swaps() -> None:
    swaps = [product(f"{letter}-USDT", kind="perpetual") for letter in "ABC"]
    assert usual([*swaps, product("A-USDT"), product("B-USDT", status="halted")]) == [product("A-USDT")]
    assert usual([*swaps, product("A-USDT", status="delisted")]) == swaps
    assert usual([]) == []


def test_the_busiest_come_by_quote_volume_or_by_volume_at_the_last_price() -> None:
    known = [product(f"{letter}-USD") for letter in "ABCDEF"]
    tickers = [
        ticker("A-USD", "100.5"), ticker("B-USD", "", volume="2", last="60"), ticker("C-USD", "0"),
        ticker("D-USD", "nan"), ticker("E-USD", "100.5"), ticker("X-USD", "999"),
    ]  # fmt: skip
    assert symbols(busiest(known, tickers, 9)) == ["B-USD", "A-USD", "E-USD"]
    assert symbols(busiest(known, tickers, 2)) == ["B-USD", "A-USD"]
