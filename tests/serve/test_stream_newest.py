"""Streams without cursors: the newest value only, and trades on arrival."""

from pathlib import Path

import pytest
from faces_world import ID, QUOTE, START, TICKER, World, Writer, trade
from test_stream import TRADES, Talk, play


def test_newest_values_come_at_once_and_then_only_when_they_change(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        reply = await talk.subscribe("tickers", f"quotes:{ID}", f"book:{ID}")
        assert set(reply["streams"].values()) == {None}
        first = {event["type"]: event["data"] for event in await talk.several(3)}
        assert first["ticker"]["last"] == TICKER.last
        assert first["quote"]["bid_size"] == QUOTE.bid_size
        assert first["book"]["bids"] == [["50000.0", "1.000"]]
        world.current = [
            type(TICKER)(**{name: getattr(TICKER, name) for name in TICKER.__struct_fields__} | {"last": "1"})
        ]
        assert (await talk.one())["data"]["last"] == "1"

    play(tmp_path, scene, newest_every_ms=5)


def test_fast_trades_come_before_they_are_committed_and_what_is_left_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gapless.serve.fast.MOST", 5)

    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        reply = await talk.subscribe(TRADES, fast=True)
        assert reply["streams"] == {TRADES: None}
        world.arriving.put_nowait([trade(seq, START) for seq in range(1, 9)])
        events = await talk.several(6)
        assert [event["data"]["seq"] for event in events[:5]] == [1, 2, 3, 4, 5]
        assert events[0]["cursor"] is None
        assert events[5] == {"stream": TRADES, "type": "lagged", "from": 6, "to": 8}
        world.arriving.put_nowait([trade(9, START)])
        assert (await talk.one())["data"]["seq"] == 9

    play(tmp_path, scene)
