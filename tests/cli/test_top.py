"""`gapless top`: what is wrong is seen first, rates are of now, and it ends as it is asked to."""

import io
import json
from typing import Any

from rich.console import Console

from gapless.cli import top
from gapless.cli.app import run
from gapless.cli.top_view import Seen, view
from gapless.errors import CouldNot


def connection(name: str, *, frames: int = 100, state: str = "open", **other: Any) -> dict[str, Any]:
    return {
        "id": name, "venue": "binance", "state": state, "uptime_s": 90.0, "rate": 10.0, "streams": 3, "live": 3,
        "connects": 1, "frames": frames, "malformed": 0, "rejected": {}, "rotations": 0, "closes": [],
        "latency_ms": 1.25,
    } | other  # fmt: skip


def status(*connections: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {
        "status": "ready", "uptime_s": 11_045.0, "coverage": "100.0%", "active_tickers": 3, "degraded": [],
        "connections": list(connections), "rates": {"messages": 20.0, "candles": 0.05},
        "gaps": {"open": 0, "repaired": 1_234}, "budgets": [], "priority": [], "process": {"cpu": 7.4, "rss_mb": 148.2},
    } | other  # fmt: skip


def shown(seen: Seen, before: Seen | None = None, *, height: int = 50, width: int = 140) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(view(seen, before, height=height, width=width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def seen(at: float, *connections: dict[str, Any], gaps: list[dict[str, Any]] | None = None, **other: Any) -> Seen:
    return Seen(at=at, url="http://127.0.0.1:8787", status=status(*connections, **other), gaps=gaps or [])


def test_connections_that_are_down_stand_first_and_rates_are_since_the_look_before() -> None:
    closes = [{"at": "", "code": 1006, "reason": "cut", "lived_s": 4.0}]
    before = seen(10.0, connection("a/1"), connection("b/2"))
    now = seen(
        12.0, connection("a/1", frames=700, malformed=2),
        connection("b/2", state="closed", frames=100, latency_ms=None, live=0, closes=closes),
    )  # fmt: skip
    lines = shown(now, before)
    assert lines[0] == "gapless  ● ready  up 3 h 4 m  http://127.0.0.1:8787"
    assert lines[1] == (
        "coverage 100.0%  connections 1/2  3 tickers  300 messages/s  3.0 candles/min  "
        "gaps 0 open, 1,234 repaired  CPU 7 %  148 MB"
    )
    assert lines[4].split() == ["b/2", "closed", "0/3", "0.0", "1", "m", "30", "s", "-", "0", "1", "0", "1006", "cut"]
    assert lines[5].split() == ["a/1", "open", "3/3", "300.0", "1", "m", "30", "s", "1.2", "ms", "2", "1", "0"]


def test_no_figure_of_now_is_cut_on_80_columns() -> None:
    closes = [{"at": "", "code": 1006, "reason": "the connection was reset by its peer", "lived_s": 4.0}]
    wide = connection("coinbase-advanced/market/1", frames=9_999, rate=12_345.6, latency_ms=123.4, live=25, streams=25)
    budget = {
        "host": "api.exchange.coinbase.com", "used": 540, "limit": 540, "requests": 12_345, "throttled": 0,
        "state": "closed", "blocked_until": None, "reason": None,
    }  # fmt: skip
    now = seen(1.0, wide, connection("okx/public/1", state="closed", closes=closes), budgets=[budget])
    lines = shown(now, width=80)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for figure in ("coinbase-advanced/market/1", "closed", "25/25", "12,345.6", "123.4 ms", "540 of 540", "12,345"):
        assert figure in text
    assert "1006" in text
    header = next(line for line in lines if line.startswith("connection"))
    assert header.split()[:6] == ["connection", "state", "live", "msg/s", "latency", "errors"]


def test_what_does_not_fit_on_the_terminal_is_counted() -> None:
    many = [connection(f"v/{number:02}") for number in range(40)]
    lines = shown(seen(1.0, *many, connection("v/99", state="closed")), height=24)
    assert len(lines) <= 24
    assert lines[4].startswith("v/99")
    assert "and 31 more, all of them up" in lines


def test_budgets_gaps_and_what_comes_first_are_told() -> None:
    budget = {
        "host": "api.example", "used": 1_200, "limit": 2_400, "requests": 17, "throttled": 1, "state": "open",
        "blocked_until": "2026-01-07T12:00:00Z", "reason": "banned (HTTP 418)",
    }  # fmt: skip
    gap = {"tape": "binance:BTCUSDT/agg", "ids": 17, "cause": "disconnect", "opened": "2026-01-07", "reason": ""}
    degraded = [{"venue": "binance", "since": "2026-01-07", "why": "no connection stands"}]
    lines = shown(seen(
        1.0, budgets=[budget], gaps=[gap], priority=["binance:BTCUSDT"], degraded=degraded,
        status="degraded", coverage="95.7%",
    ))  # fmt: skip
    text = "\n".join(lines)
    assert "● degraded" in text
    assert "binance degraded since 2026-01-07: no connection stands" in text
    assert "1,200 of 2,400" in text
    assert "blocked until 2026-01-07T12:00:00Z: banned (HTTP 418)" in text
    assert "binance:BTCUSDT/agg" in text
    assert "come first: binance:BTCUSDT" in text


def test_it_prints_once_where_there_is_no_terminal_and_as_json(monkeypatch: Any, capsys: Any) -> None:
    asked = []

    def ask(url: Any, path: str) -> dict[str, Any]:
        asked.append(path)
        return status(connection("a/1"), gaps={"open": 1, "repaired": 0}) if path == "/system/status" else {"rows": []}

    monkeypatch.setattr(top, "ask", ask)
    assert run(["top", "--url", "http://127.0.0.1:1"]) == 0
    assert "a/1" in capsys.readouterr().out
    assert run(["top", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["open_gaps"] == []
    assert asked == ["/system/status", "/api/v1/gaps?state=open"] * 2


def test_it_asks_on_where_nobody_answers_any_more_and_ctrl_c_ends_it_well(monkeypatch: Any) -> None:
    answers = iter([seen(1.0), seen(2.0), CouldNot("no gapless answers")])

    def look(url: Any) -> Seen:
        answer = next(answers)
        if isinstance(answer, CouldNot):
            raise answer
        return answer

    out, pauses = io.StringIO(), []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(top, "_look", look)
    monkeypatch.setattr("time.sleep", sleep)
    terminal = Console(file=out, force_terminal=True, width=120, height=30)
    monkeypatch.setattr("rich.console.Console", lambda: terminal)
    assert run(["top", "--every", "0.5"]) == 0
    assert pauses == [0.5] * 3
    assert "does not answer; asking on" in out.getvalue()
    assert out.getvalue().endswith("\x1b[?25h\x1b[?1049l")


def test_nothing_that_runs_is_one_sentence(capsys: Any) -> None:
    assert run(["top", "--url", "http://127.0.0.1:1"]) == 3
    assert capsys.readouterr().err == (
        "gapless: no gapless answers at http://127.0.0.1:1; start one with `gapless run`, or name it with --url\n"
    )


def test_what_others_wrote_is_shown_as_it_is_and_never_read_as_markup() -> None:
    closes = [{"at": "", "code": 1008, "reason": "[/quote] slow [red]", "lived_s": 4.0}]
    gap = {"tape": "a/agg", "ids": 1, "cause": "jump", "opened": "2026", "reason": "refused: [/x] [1, 2]"}
    text = "\n".join(shown(seen(1.0, connection("a/1", closes=closes), gaps=[gap])))
    assert "1008 [/quote] slow [red]" in text
    assert "refused: [/x] [1, 2]" in text
