"""The front ends' own client, from npm: it gets `ticker_update` with the keys that they read."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from faces_world import World, Writer
from test_pushing import ALERT, TICKER, play

CLIENTS = Path(__file__).parents[2] / ".node-clients"


def test_socket_io_client_from_npm_gets_the_seeds_events(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node here")
    if not (CLIENTS / "node_modules/socket.io-client").is_dir():
        pytest.skip("socket.io-client is not installed; `make .node-clients/.ready` does that")
    writer = Writer(tmp_path / "tape.db")
    writer.trades(1)
    world = World(Path(writer.store.path))

    async def part(url: str) -> None:
        script = Path(__file__).with_name("listen.mjs")
        program = await asyncio.create_subprocess_exec(
            node, str(script), str(CLIENTS), url, "ticker_update", "volume_alert", stdout=asyncio.subprocess.PIPE
        )
        assert program.stdout
        assert await program.stdout.readline() == b"connected\n"
        world.hub.publish("ticker_update", TICKER)
        world.hub.publish("volume_alert", ALERT)
        found = json.loads(await program.stdout.readline())
        assert found["ticker_update"] == {
            "crypto": "BTCUSDT", "price": 50000.5, "exchange": "binance", "bid": 50000, "ask": 50001,
            "volume_24h": 12.5, "timestamp": 7,
        }  # fmt: skip
        assert found["volume_alert"]["ratio"] == 3.15
        assert await program.wait() == 0

    play(world, part)
