"""The comparer against a store that the test fills from the frames that were sent, by a reckoning of its own."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from msgspec.structs import replace

from gapless.model import Candle, Instrument, Origin, Proof, State, Trade
from gapless.sim.bars import MINUTE
from gapless.sim.compare import compare
from gapless.sim.synthetic.market import START_MS
from gapless.store.sqlite import SqliteStore

MS = 1_000_000
INVERSE, LINEAR = "BTC-USD-SWAP", "BTC-USDT-SWAP"
WORTH = {INVERSE: Decimal(100), LINEAR: Decimal("0.01")}
DIGITS = {INVERSE: (1, 8), LINEAR: (1, 4)}


def units(value, digits):
    return int(value.scaleb(digits).quantize(Decimal(1), ROUND_HALF_EVEN))


def trade_of(name, row):
    price_digits, size_digits = DIGITS[name]
    price, size = Decimal(row["px"]), Decimal(row["sz"]) * WORTH[name]
    held = units(size / price if name == INVERSE else size, size_digits)
    last, fills = int(row["tradeId"]), int(row["count"])
    side = 1 if row["side"] == "buy" else -1
    return Trade(last, int(row["ts"]) * MS, units(price, price_digits), held, side, fills, last - fills + 1, 0)


def candle_of(name, row):
    price_digits, size_digits = DIGITS[name]
    prices = [units(Decimal(text), price_digits) for text in row[1:5]]
    volume, quote = units(Decimal(row[6]), size_digits), units(Decimal(row[7]), price_digits + size_digits)
    return Candle(
        int(row[0]) * MS, *prices, volume, quote, state=State.TRADED, origin=Origin.VENUE, proof=Proof.PROVEN
    )  # fmt: skip


@pytest.fixture(scope="module")
def sent(desk, tmp_path_factory):
    """The journal of three minutes, and what was sent of each instrument: trades and closed candles."""
    journal = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    at = desk(venue="okx", instruments=5, journal=journal)
    lines = [at.connect("public"), at.connect("business")]
    for line, channel in zip(lines, ("trades", "candle1m"), strict=True):
        line.say({"op": "subscribe", "args": [{"channel": channel, "instId": name} for name in WORTH]})
    at.play(until=START_MS + 3 * MINUTE + 500)
    at.hub.finish()
    at.service.close()
    told = [m for line in lines for m in line.told() if "data" in m]
    rows = {name: [row for m in told if m["arg"]["instId"] == name for row in m["data"]] for name in WORTH}
    return journal, {
        name: (
            [trade_of(name, row) for row in of if isinstance(row, dict)],
            [candle_of(name, row) for row in of if isinstance(row, list) and row[8] == "1"],
        )
        for name, of in rows.items()
    }


@pytest.fixture
def compared(sent, tmp_path):
    """Compares with a store that holds what was sent, but for what is changed."""
    journal, everything = sent

    def tally(change=lambda trades, candles: (trades, candles)):
        store = SqliteStore(str(tmp_path / "held.db"), environment="sim")
        for name, rows in everything.items():
            trades, candles = change(*rows) if name == INVERSE else rows
            price_digits, size_digits = DIGITS[name]
            known = Instrument(
                venue="okx", symbol=name, base="BTC", quote="USD", kind="perpetual", price_digits=price_digits,
                size_digits=size_digits, tick=1, contract_size=str(WORTH[name]), inverse=name == INVERSE,
            )  # fmt: skip
            store.put_instrument(known)
            tape = store.open_tape(known.id, "span")

            def write(tx, tape=tape, known=known, trades=trades, candles=candles):
                tx.add_trades(tape.id, trades)
                for candle in candles:
                    tx.put_candle(known.id, candle, None, "stream", 1)

            store.commit(write)
        return compare(journal, f"sqlite:///{tmp_path / 'held.db'}", "sim")

    return tally


def test_executions_held_together_and_bars_of_contracts_are_found_equal(compared, sent):
    found = compared()
    trades = [row for rows, _ in sent[1].values() for row in rows]
    assert max(row.fills for row in trades) > 1
    assert found.sent == found.held
    assert found.sent["trades"] == sum(row.fills for row in trades) > 100
    assert found.sent["candles"] == 8
    assert (found.missing, found.duplicated, found.altered, found.first_shortfalls) == (0, 0, 0, [])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda trades, candles: (trades[:5] + trades[6:], candles), "missing"),
        (lambda trades, candles: (trades, candles[1:]), "missing"),
        (lambda trades, candles: ([replace(trades[0], size=trades[0].size + 1), *trades[1:]], candles), "altered"),
        (lambda trades, candles: ([replace(trades[0], side=-trades[0].side), *trades[1:]], candles), "altered"),
        (
            lambda trades, candles: (trades, [replace(candles[0], volume=candles[0].volume + 1), *candles[1:]]),
            "altered",
        ),
        (lambda trades, candles: (trades, [replace(candles[0], quote_volume=1), *candles[1:]]), "altered"),
    ],
)
def test_what_is_missing_or_another_is_named(compared, change, wrong):
    found = compared(change)
    assert getattr(found, wrong) > 0
    assert found.first_shortfalls[0].startswith(f"{INVERSE} ")
