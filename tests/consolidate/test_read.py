"""The same answer about a consolidated instrument by Python, HTTP, the stream and the command line; as of any time."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from faces_world import World, served
from two_venues import BTC, START, A, B, TwoVenues

import gapless
from gapless.cli.app import run as gapless_run
from gapless.client import SwitchEvent, TradeEvent
from gapless.errors import BadInput, UnknownName
from gapless.model import SECOND
from gapless.model.times import iso


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("held") / "held.db"
    world = TwoVenues(str(path))
    world.switch(A)
    world.both(130, step=SECOND)
    world.trades(B, 20, step=SECOND)
    world.switch(B)
    world.both(160, step=SECOND)
    world.store.close()
    return path


class Shown(World):
    """The system that is served, of which nothing runs."""

    def price(self, symbol: str, resolution: str | None) -> dict[str, Any]:
        return {"instrument": symbol, "resolution": resolution}


def plain(rows: Any) -> list[tuple[Any, ...]]:
    return [(row.start, row.close, row.volume, row.proof, row.source, len(row.sources)) for row in rows]


def test_python_reads_the_same_from_a_store_and_from_a_running_gapless(store: Path) -> None:
    with gapless.open(str(store)) as market:
        whole = market.consolidated("btc-usdt")
        bars, trades, switches = whole.candles("1m"), whole.trades(), whole.switches()
        assert [row.source for row in bars] == [A, A, B, B, B]
        assert isinstance(bars[0].close, Decimal)
        assert bars.to_polars()["source"].to_list() == [A, A, B, B, B]
        assert trades.to_polars().columns[:2] == ["source", "time"]
        assert trades.missing == ()
        (five,) = whole.candles("5m")
        assert [(part.source, part.start.minute, part.end.minute) for part in five.sources] == [(A, 0, 2), (B, 2, 5)]
        ((former, to),) = [(one.former, one.to) for one in switches]
        assert (former, to) == (A, B)
        with pytest.raises(BadInput, match="newest values are kept by a running"):
            whole.price()
        with pytest.raises(UnknownName, match="there is no consolidated instrument 'ETH/USDT'"):
            market.consolidated("ETH/USDT").candles("1m")

    async def over_http() -> None:
        async with served(Shown(store)) as url:
            remote = gapless.open(url).consolidated(BTC)
            over = await asyncio.gather(
                *(asyncio.to_thread(ask) for ask in (lambda: remote.candles("1m"), remote.trades, remote.switches))
            )
            assert plain(over[0]) == plain(bars)
            assert list(over[1]) == list(trades)
            assert list(over[2]) == list(switches)
            assert await asyncio.to_thread(lambda: remote.price("average")) == {
                "instrument": BTC, "resolution": "average",
            }  # fmt: skip
            with pytest.raises(BadInput, match="resolution: 'best' is not allowed; allowed are primary, latest"):
                await asyncio.to_thread(lambda: remote.price("best"))

    asyncio.run(over_http())


def test_the_client_follows_the_tape_with_its_switches(store: Path) -> None:
    async def follow() -> list[Any]:
        async with served(Shown(store)) as url:
            found = []
            async for event in gapless.connect(url).stream(f"consolidated:{BTC}", after={f"consolidated:{BTC}": "1.0"}):
                found.append(event)
                if len(found) == 160:
                    return found
        return []

    events = asyncio.run(follow())
    sources = [event.data.source for event in events if isinstance(event, TradeEvent)]
    assert sources == [A] * 130 + [B] * 29
    (switch,) = [event for event in events if isinstance(event, SwitchEvent)]
    assert events.index(switch) == 130
    assert (switch.data.former, switch.data.to) == (A, B)


def test_before_a_switch_was_known_nothing_was_known_of_it(store: Path) -> None:
    with gapless.open(str(store)) as market:
        (switch,) = market.consolidated(BTC).switches()
        before = market.consolidated(BTC).trades(as_of=iso(int(switch.known_at.timestamp() * 10**9) - SECOND // 100))
        assert {row.source for row in before} == {A}
        assert {row.source for row in market.consolidated(BTC).trades()} == {A, B}


def test_the_command_line_names_the_source_of_every_bar_and_trade(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--store", f"sqlite:///{store}", "--consolidated"]
    assert gapless_run(["candles", BTC, "5m", *options, "--format", "csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.endswith(",source")
    assert row.endswith(f",{A} {B}")
    assert gapless_run(["candles", BTC, "5m", *options, "--format", "json"]) == 0
    assert [one["source"] for one in json.loads(capsys.readouterr().out)["rows"][0]["sources"]] == [A, B]
    assert gapless_run(["trades", BTC, *options, "--format", "csv", "--end", iso(START + 5 * SECOND)]) == 0
    assert [line.partition(",")[0] for line in capsys.readouterr().out.splitlines()] == ["source", A, A, A, A]
    assert gapless_run(["candles", BTC, "1m", *options, "--fetch"]) == 2
    assert "--consolidated goes without --fetch" in capsys.readouterr().err
