"""What the simulated OKX writes has the keys and the forms of what the real one sent."""

import json
import re

import pytest

from gapless.sim.okx.instruments import instrument_row
from gapless.sim.okx.listing import Markets
from gapless.sim.okx.ticker import ticker_row
from gapless.sim.synthetic.market import START_MS

NUMBER = re.compile(r"-?\d+(\.\d*[1-9])?")  # no zeros at the end


def form(value):
    """Tells keys in order, types, and which texts are numbers as the venue writes them."""
    if isinstance(value, dict):
        return {key: form(item) for key, item in value.items()}
    if isinstance(value, list):
        forms = [form(item) for item in value]
        return [forms[0]] if forms and all(item == forms[0] for item in forms) else forms
    return "number" if isinstance(value, str) and NUMBER.fullmatch(value) else type(value).__name__


@pytest.fixture
def pushes(desk):
    """What a connection is sent for a subscription of some channels of BTC-USDT-SWAP."""

    def told(channels, seconds):
        at = desk(venue="okx", instruments=2)
        line = at.connect("public")
        args = [{"channel": channel, "instId": "BTC-USDT-SWAP"} for channel in channels]
        line.say({"id": "md", "op": "subscribe", "args": args})
        at.play(until=START_MS + seconds * 1_000)
        return line.told()

    return told


def of(messages, channel, action=None):
    return [m for m in messages if m["arg"]["channel"] == channel and m.get("action") == action and "data" in m]


def test_acknowledgements_trades_and_books_are_formed_as_the_real_ones(pushes, data):
    real = [json.loads(line) for line in (data / "okx" / "frames_20260926.jsonl").read_text().splitlines()]
    ours = pushes(["books", "bbo-tbt", "trades"], seconds=5)
    assert [{**m, "connId": ""} for m in ours if "event" in m] == [{**m, "connId": ""} for m in real if "event" in m]
    assert all(re.fullmatch("[0-9a-f]{8}", m["connId"]) for m in [*ours, *real] if "event" in m)
    for message in real:
        if "event" not in message:
            same = of(ours, message["arg"]["channel"], message.get("action"))
            assert len(same) >= 3
            forms = [form(m) for m in same if all(m["data"][0].get(side, True) for side in ("asks", "bids"))]
            assert forms
            assert all(one == form(message) for one in forms)


def test_tickers_and_snapshots_have_the_keys_of_the_real_ones(pushes, data):
    lines = (data / "okx" / "three_instruments_20220513.ws.1.0").read_text().splitlines()
    real = [json.loads(line.partition(": ")[2]) for line in lines if line.partition(": ")[2].startswith('{"arg"')]
    ours = pushes(["trades", "tickers", "books"], seconds=3)
    assert form(of(ours, "tickers")[0]) == form(of(real, "tickers")[0])
    (snapshot,) = of(ours, "books", "snapshot")
    assert snapshot["data"][0].keys() - of(real, "books", "snapshot")[0]["data"][0].keys() == {"seqId", "prevSeqId"}
    assert form(snapshot["data"][0]["asks"]) == form(of(real, "books", "snapshot")[0]["data"][0]["asks"])


@pytest.mark.parametrize(("kind", "name"), [("SPOT", "BTC-USDT"), ("SWAP", "BTC-USDT-SWAP"), ("SWAP", "BTC-USD-SWAP")])
def test_instruments_are_described_as_by_the_real_one(data, kind, name):
    listed = json.loads((data / "okx" / f"okx.{kind}.2025-05-08.json").read_text())
    real = next(row for row in listed if row["instId"] == name)
    ours = json.loads(instrument_row(Markets().synthetic(1, 6, None).symbols[name]))
    assert ours.keys() - real.keys() == {"tradeQuoteCcyList", "instIdCode"}  # since 2025
    told = {key for key, value in real.items() if value not in ("", None)}
    assert {key for key in real if ours[key] not in ("", None)} - {"maxMktAmt"} == told - {"maxMktAmt"}
    fixed = ("ctVal", "ctMult", "ctType", "ctValCcy", "instFamily", "uly", "baseCcy", "quoteCcy", "settleCcy", "tickSz")
    assert {key: ours[key] for key in fixed} == {key: real[key] for key in fixed}


@pytest.mark.parametrize("name", ["BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USDT-260327"])
def test_a_day_of_contracts_is_told_in_contracts_and_in_their_base(name):
    symbol = Markets().synthetic(1, 6, None).symbols[name]
    bar = symbol.bars.bar("1h", START_MS - 3_600_000, START_MS)
    row = json.loads(ticker_row(symbol, bar, symbol.book.at(START_MS, 1), START_MS))
    volume, currency, price = float(row["vol24h"]), float(row["volCcy24h"]), float(row["last"])
    expected = {"BTC-USDT": volume * price, "BTC-USD-SWAP": volume * 100 / price}.get(name, volume / 100)
    assert currency == pytest.approx(expected, rel=0.02)
