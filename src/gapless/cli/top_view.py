"""What `gapless top` shows: a pure function of what a running gapless says of itself, and of what it said before."""

from typing import Any

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_STATES = {"open": "green", "leaving": "green", "idle": "yellow", "closed": "red"}
_UP = ("open", "leaving")
_HEALTH = {"ready": "green", "degraded": "yellow", "starting": "yellow"}
_RIGHT = ("live", "msg/s", "up", "latency", "errors", "connects", "rotated", "ids", "requests", "throttled")
_GAPS = 5
_AROUND = 14  # lines beside the rows of tables
_NARROW = 110  # columns below which what is only history of a connection gives way to what is now
_HISTORY = ("up", "connects", "rotated")


class Seen(Struct, frozen=True, kw_only=True):
    """What was answered at a moment (monotonic s): the status, the newest open gaps, or why nothing was."""

    at: float
    url: str
    status: dict[str, Any]
    gaps: list[dict[str, Any]] = []
    trouble: str = ""


def view(seen: Seen, before: Seen | None = None, *, height: int = 50, width: int = 120) -> RenderableType:
    """Show how things stand on so many lines and columns; rates are those since `before`, where that is known."""
    status = seen.status
    budgets, gaps = status.get("budgets", []), seen.gaps[:_GAPS]
    parts: list[RenderableType] = [_head(seen), _figures(seen, before)]
    for one in status.get("degraded", []):
        parts.append(Text(f"{one['venue']} degraded since {one['since']}: {one['why']}", style="yellow"))
    room = max(height - _AROUND - len(budgets) - len(gaps), 5)
    parts += [Text(), _connections(seen, before, room, width)]
    if budgets:
        parts += [Text(), _budgets(budgets)]
    if gaps:
        parts += [Text(), _gaps(gaps, status["gaps"]["open"])]
    first = status.get("priority", [])
    parts += [Text(), Text("come first: ", style="bold") + Text(_some(first) if first else "no instrument")]
    return Group(*parts)


def _head(seen: Seen) -> Text:
    status = seen.status
    state = status.get("status", "unknown")
    head = Text("gapless  ", style="bold") + Text(f"● {state}", style=f"bold {_HEALTH.get(state, 'red')}")
    head += Text(f"  up {_duration(status.get('uptime_s', 0))}  {seen.url}")
    return head + Text(f"  {seen.trouble}", style="bold red") if seen.trouble else head


def _figures(seen: Seen, before: Seen | None) -> Text:
    status = seen.status
    connections, gaps, process = status.get("connections", []), status.get("gaps", {}), status.get("process", {})
    up = sum(one["state"] in _UP for one in connections)
    rate = sum(_rate(one, seen, before) for one in connections)
    candles = status.get("rates", {}).get("candles", 0.0) * 60
    figures = Text(f"coverage {status.get('coverage', '-')}", style="" if _whole(status) else "yellow")
    figures += Text(f"  connections {up}/{len(connections)}", style="" if up == len(connections) else "red")
    figures += Text(
        f"  {status.get('active_tickers', 0)} tickers  {rate:,.0f} messages/s  {candles:,.1f} candles/min  "
    )
    figures += Text(f"gaps {gaps.get('open', 0)} open", style="red" if gaps.get("open") else "")
    figures += Text(f", {gaps.get('repaired', 0):,} repaired  CPU {process.get('cpu', 0):.0f} %")
    return figures + Text(f"  {process.get('rss_mb', 0):,.0f} MB")


def _whole(status: dict[str, Any]) -> bool:
    """Say whether every product has its data."""
    return str(status.get("coverage", "")).startswith("100")


def _connections(seen: Seen, before: Seen | None, room: int, width: int) -> RenderableType:
    hidden = _HISTORY if width < _NARROW else ()
    columns = ("connection", "state", "live", "msg/s", "up", "latency", "errors", "connects", "rotated", "last close")
    table = _table(*(name for name in columns if name not in hidden))
    table.columns[-1].no_wrap = False  # the words of a close are what is cut where there is no room
    table.columns[-1].header = Text(columns[-1], no_wrap=True, overflow="ellipsis")
    rows = sorted(seen.status.get("connections", []), key=lambda one: (one["state"] in _UP, one["id"]))
    for one in rows[:room]:
        cells = zip(columns, _cells(one, _rate(one, seen, before)), strict=True)
        table.add_row(*(cell for name, cell in cells if name not in hidden))
    left = rows[room:]
    down = sum(one["state"] not in _UP for one in left)
    rest = Text(f"and {len(left)} more, {f'{down} of them down' if down else 'all of them up'}", style="dim")
    return Group(table, rest) if left else table


def _cells(one: dict[str, Any], rate: float) -> tuple[str | Text, ...]:
    state, latency, closes = one["state"], one.get("latency_ms"), one.get("closes", [])
    errors = one.get("malformed", 0) + len(one.get("rejected", {}))
    last = f"{closes[-1]['code']} {closes[-1]['reason']}".strip() if closes else ""
    return (
        one["id"],
        Text(state, style=_STATES.get(state, "yellow")),
        Text(f"{one['live']}/{one['streams']}", style="" if one["live"] == one["streams"] else "yellow"),
        f"{rate:,.1f}",
        _duration(one["uptime_s"]),
        f"{latency:.1f} ms" if latency is not None else "-",
        Text(str(errors), style="red" if errors else ""),
        str(one["connects"]),
        str(one["rotations"]),
        Text(last, no_wrap=True, overflow="ellipsis"),  # others' words: no markup
    )


def _rate(one: dict[str, Any], seen: Seen, before: Seen | None) -> float:
    """Give the frames a second of a connection, since the look before."""
    if before is not None and seen.at > before.at:
        for other in before.status.get("connections", []):
            if other["id"] == one["id"] and other["frames"] <= one["frames"]:
                return float((one["frames"] - other["frames"]) / (seen.at - before.at))
    return float(one["rate"])


def _budgets(rows: list[dict[str, Any]]) -> Table:
    table = _table("budget", "used a minute", "", "requests", "throttled", "state")
    for one in rows:
        bar = ProgressBar(total=one["limit"] or 1, completed=min(one["used"], one["limit"]), width=10)
        state = Text(one["state"], style="green" if one["state"] == "closed" else "red")
        if one["blocked_until"]:
            state = Text(f"blocked until {one['blocked_until']}: {one['reason']}", style="red")
        table.add_row(
            one["host"], f"{one['used']:,} of {one['limit']:,}", bar, f"{one['requests']:,}", str(one["throttled"]),
            state,
        )  # fmt: skip
    return table


def _gaps(rows: list[dict[str, Any]], count: int) -> Table:
    table = _table("open gap", "ids", "cause", "since", "why it is open still")
    for one in rows:
        table.add_row(one["tape"], f"{one['ids']:,}", one["cause"], one["opened"], Text(one["reason"]))
    if count > len(rows):
        table.caption = f"and {count - len(rows)} more: gapless audit"
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for name in columns:
        right = name in (
            "live",
            "msg/s",
            "up",
            "latency",
            "errors",
            "connects",
            "rotated",
            "ids",
            "requests",
            "throttled",
        )
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    return table


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _duration(seconds: float) -> str:
    """Write a time as its two largest units."""
    whole_s = int(seconds)
    days, hours, minutes = whole_s // 86_400, whole_s // 3_600 % 24, whole_s // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} m"
    return f"{minutes} m {whole_s % 60} s" if minutes else f"{whole_s} s"
