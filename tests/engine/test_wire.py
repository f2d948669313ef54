"""`/health` and `/system/status` of a running gapless, as other people's programs read them."""

import re
from pathlib import Path
from typing import Any

from living import Service, Sim, living, until


def kinds(value: dict[str, Any], *names: str) -> list[type]:
    return [type(value[name]) for name in names]


def test_a_venue_alone_is_collected_as_the_seeds_variables_say_and_tells_how_it_runs(tmp_path: Path) -> None:
    with living(sim := Sim(tmp_path, "--speed", "240", "--instruments", "3")):
        listed, left_out = sim.symbols[:2], sim.symbols[2]
        environment = {"MONITORING_CRYPTOS": f"{','.join(listed)},NOPE-USD", "VOLUME_THRESHOLD": "2.5"}
        with living(run := Service(sim, tmp_path / "held.db", ids=["binance"], environment=environment)):
            health = until(
                lambda: (
                    (found := run.ask("/health"))
                    and (found["status"], found["active_tickers"], found["coverage"]) == ("ready", 2, "100.0%")
                    and found
                ),
                "two products that deliver",
            )
            up = re.fullmatch(r"(\d+)/(\d+) connected", health["connections"])
            assert up
            assert up[1] == up[2] != "0"
            assert health["websocket_handler"] is True
            until(lambda: run.status()["rates"]["candles"] > 0, "a candle")
            status = run.status()
            (unknown,) = run.events("unknown_product")
            named = {one["id"] for one in run.ask("/api/v1/instruments")["rows"]}
    assert unknown["subject"] == "NOPE-USD"
    assert named == {f"binance:{symbol}" for symbol in listed}
    assert f"binance:{left_out}" not in named

    assert status["status"] == "ready"
    assert kinds(status, "uptime_s", "connections", "gaps", "budgets", "jobs", "store", "process") == [
        float, list, dict, list, list, dict, dict,
    ]  # fmt: skip
    for connection in status["connections"]:
        assert kinds(connection, "id", "venue", "state", "uptime_s", "rate") == [str, str, str, float, float]
    assert kinds(status["rates"], "messages", "candles") == [float, float]
    assert status["derived_accuracy"] is None or 0 <= status["derived_accuracy"] <= 1
    assert status["signal_latency_ms"].keys() == {"p50", "p99"}
    assert kinds(status["gaps"], "open", "repaired") == [int, int]
    assert kinds(status["store"], "rows", "bytes", "bytes_per_day") == [int, int, int]
    assert kinds(status["process"], "cpu", "rss_mb") == [float, float]
    for job in status["jobs"]:
        assert job.keys() >= {"name", "last_run", "result", "next_run"}
