"""The seed's four scenarios on real sockets: sources, time taken, and the requests that the venue has counted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from living import BTC, PATIENCE, Process, Service, Sim, living, until

import gapless
from gapless.errors import BadInput
from gapless.model import HOUR, MINUTE, iso

FIVE = 5 * MINUTE


class Town:
    """A venue at high speed, and a service that has streamed an hour of it without candles of the time before."""

    def __init__(self, sim: Sim, run: Service) -> None:
        self.sim = sim
        self.run = run
        self.sets = ["--set", "venues.binance.environment=sim", "--set", f"venues.binance.sim_url={sim.url}"]
        first = run.ask(f"/api/v1/trades?id={BTC}&start=0&limit=1&epoch=ns")["rows"]
        self.began = int(first[0]["time"])

    def five_minutes(self, hours_ago: int) -> tuple[int, int]:
        now = int(self.sim.state()["market_ms"]) * 1_000_000
        start = now - now % FIVE - hours_ago * HOUR
        return start, start + FIVE

    def requests(self) -> list[tuple[str, int]]:
        """Every request that the venue's journal has so far, with its status."""
        rows = map(json.loads, self.sim.journal.read_text().splitlines())
        return [(row["path"].rpartition("/")[2], row["status"]) for row in rows if row["t"] == "request"]

    def ask(self, what: str, timeframe: str, span: tuple[int, int], **more: Any) -> dict[str, Any]:
        query = {"id": BTC, "timeframe": timeframe, "start": iso(span[0]), "end": iso(span[1]), **more}
        found = self.run.ask(f"/api/v1/{what}?" + "&".join(f"{name}={value}" for name, value in query.items()))
        assert found is not None, self.run.said()
        assert 0 < found["elapsed_ms"] < 20_000
        return dict(found)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("hybrid")
    sim = Sim(folder, "--speed", "900", "--instruments", "1")
    with living(sim, run := Service(sim, folder / "held.db", "collect.history=0m")):
        run.stored(100)
        begun = sim.state()["market_ms"]
        until(lambda: sim.state()["market_ms"] > begun + 65 * 60_000, "an hour of the market")
        yield Town(sim, run)


def test_an_hour_ago_is_answered_by_what_the_stream_brought_and_nobody_is_asked(town: Town) -> None:
    before = town.requests()
    for what in ("footprint", "candles"):
        found = town.ask(what, "5m", town.five_minutes(1))
        assert (found["sources"], found["proof"], found["missing"]) == (["store", "stream"], "proven", [])
        assert (found["fetch"]["state"], found["fetch"]["requests"]) == ("held", 0)
    assert town.requests() == before


def test_now_is_answered_from_memory_and_nobody_is_asked(town: Town) -> None:
    before = town.requests()
    for what in ("footprint", "candles"):
        start = town.five_minutes(0)[0]
        found = town.ask(what, "60m", (start - start % HOUR, start + 2 * HOUR), live="true")
        assert (found["sources"], found["rows"][-1]["state"]) == (["store", "stream"], "open")
        assert (found["fetch"]["state"], found["fetch"]["requests"]) == ("held", 0)
    assert town.requests() == before


def test_five_hours_ago_is_fetched_once_by_exactly_the_requests_that_it_needs(town: Town) -> None:
    before, span = town.requests(), town.five_minutes(5)
    found = town.ask("footprint", "5m", span)
    sent = town.requests()[len(before) :]
    (row,) = found["rows"]
    assert (found["sources"], found["proof"], found["missing"]) == (["rest", "store"], "repaired", [])
    assert (found["fetch"]["state"], found["fetch"]["reason"]) == ("fetched", None)
    # The id of the first trade, then page by page from the one before it to the one after the last.
    seqs = [trade["seq"] for trade in town.run.ask(trades(span))["rows"]]
    asked = [(status, parse_qs(urlsplit(path).query)) for path, status in sent]
    assert [query["startTime"] for _, query in asked[:1]] == [[str(span[0] // 1_000_000)]]
    assert [int(query["fromId"][0]) for _, query in asked[1:]] == list(range(seqs[0] - 1, seqs[-1] + 2, 1_000))
    assert {status for status, _ in asked} == {200}
    assert (found["fetch"]["requests"], found["fetch"]["weight"]) == (len(sent), 20 * len(sent))
    assert row["trades"] > 0
    assert row["quality"]["completeness"] == 1.0
    again = town.ask("footprint", "5m", span)
    assert (again["fetch"]["state"], again["rows"][0]["rows"]) == ("held", row["rows"])
    assert town.requests()[len(before) :] == sent


def trades(span: tuple[int, int]) -> str:
    return f"/api/v1/trades?id={BTC}&start={iso(span[0])}&end={iso(span[1])}&limit=10000"


def test_the_bar_in_which_collecting_began_is_made_whole_by_what_came_before(town: Town) -> None:
    before, start = town.requests(), town.began - town.began % FIVE
    found = town.ask("footprint", "5m", (start, start + FIVE))
    (row,) = found["rows"]
    assert (row["proof"], row["missing"], found["fetch"]["state"]) == ("repaired", [], "fetched")
    assert row["sources"] == ["rest", "store", "stream"]
    sent = town.requests()[len(before) :]
    assert len(sent) == found["fetch"]["requests"]
    audited = town.run.ask(f"/api/v1/coverage?id={BTC}")["rows"]
    assert [tape["holes"] for tape in audited] == [[], []]


def test_a_range_of_more_bars_than_one_answer_holds_is_left_to_a_backfill(town: Town) -> None:
    before, (start, end) = town.requests(), town.five_minutes(1)
    found = town.ask("candles", "1m", (start - 5_000 * MINUTE, end))
    assert (found["fetch"]["state"], found["fetch"]["requests"]) == ("partial", 0)
    assert found["fetch"]["reason"] == "one answer fetches at most 5,000 bars; `gapless backfill` fetches more"
    assert town.requests() == before


def test_the_command_line_fetches_into_its_own_store_and_counts_what_it_sent(town: Town, tmp_path: Path) -> None:
    before, span = town.requests(), town.five_minutes(6)
    asked = ["footprint", BTC, iso(span[0]), "5m", "--fetch", "--json", "--store", "new.db", *town.sets]
    with living(first := Process(tmp_path, *asked)):
        found = json.loads(first.child.communicate(timeout=PATIENCE)[0])
        assert (first.child.returncode, first.said()) == (0, "")
    assert (found["proof"], found["fetch"]["state"]) == ("repaired", "fetched")
    assert found["fetch"]["requests"] == len(town.requests()) - len(before)


def test_a_batch_fetches_what_it_misses_and_tells_each_outcome(town: Town) -> None:
    before, (held, _), (unheld, _) = town.requests(), town.five_minutes(1), town.five_minutes(8)
    items = [{"id": BTC, "timeframe": "1m", "start": iso(start)} for start in (held, unheld, held)]
    items.append({"id": "binance:NOSUCH", "timeframe": "1m", "start": "now"})
    found = town.run.ask("/api/v1/footprints", method="POST", body={"items": items})
    assert [row["outcome"] for row in found["results"]] == ["held", "fetched", "held", "failed"]
    assert (found["requested"], found["successful"], found["failed"]) == (4, 3, 1)
    assert found["results"][1]["proof"] == "repaired"
    sent = len(town.requests()) - len(before)
    assert sent == 1 + -(-(len(town.run.ask(trades((unheld, unheld + MINUTE)))["rows"]) + 2) // 1_000)


def test_python_fetches_through_a_running_gapless_only(town: Town) -> None:
    start, end = (datetime.fromtimestamp(ns // 1_000_000_000, UTC) for ns in town.five_minutes(7))
    with gapless.open(f"http://127.0.0.1:{town.run.port}") as market:
        assert market.candles(BTC, "1m", start=start, end=end).fetch["state"] == "partial"
        rows = market.candles(BTC, "1m", start=start, end=end, fetch=True)
        assert (rows.fetch["state"], rows.fetch["requests"], rows.proof, len(rows)) == ("fetched", 1, "official", 5)
    with gapless.open(str(town.run.store)) as market, pytest.raises(BadInput, match="a store fetches nothing"):
        market.candles(BTC, "1m", start=start, end=end, fetch=True)


def test_during_a_ban_what_is_held_is_answered_and_not_one_request_leaves(town: Town) -> None:
    unheld, (start, _) = town.five_minutes(33), town.five_minutes(1)
    town.sim.fault(kind="http_418", ban_seconds=60)
    met = town.ask("candles", "1m", unheld)
    assert (met["fetch"]["state"], met["fetch"]["requests"], met["rows"]) == ("partial", 1, [])
    assert met["fetch"]["reason"].startswith("banned until 20")
    before = town.requests()
    assert before[-1][0].startswith("klines?")
    assert before[-1][1] == 418
    for what in ("footprint", "candles"):
        none = town.ask(what, "1m", unheld)
        assert (none["fetch"]["state"], none["fetch"]["requests"], none["rows"]) == ("refused", 0, [])
        held = town.ask(what, "5m", (start, start + FIVE))
        assert (held["fetch"]["state"], held["sources"], held["missing"]) == ("held", ["store", "stream"], [])
        some = town.ask(what, "1m", (start - 7 * HOUR, start + FIVE))
        assert some["fetch"]["state"] == "refused"
        assert some["fetch"]["reason"].startswith("banned until 20")
        assert some["missing"]
        assert [row["proof"] for row in some["rows"][-5:]] == ["proven"] * 5
    # Another process of the machine knows of the ban, and has nothing to answer from.
    asked = ["candles", BTC, "1m", "--start", iso(start), "--fetch", "--store", "other.db", *town.sets]
    with living(other := Process(town.run.store.parent, *asked)):
        assert other.ended() == 3
        assert "has banned this address" in other.sentence()
    assert town.requests() == before
    assert town.sim.state()["rest"]["while_banned"] == 0
