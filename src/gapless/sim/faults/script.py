"""Fault scripts: entries by time or by rate, from a preset or a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gapless.sim.errors import SimError, nearest

FRAME_RATES = ("drop", "double", "reorder", "malformed", "delay")
CONNECTION = ("disconnect", "reset", "half_open", "silent", "mute", "refuse_stream", "server_shutdown", "close_24h")
FRAMES = (*FRAME_RATES, "late_close", "missing_close")
REQUESTS = ("http_418", "http_429", "http_5xx", "slow_rest")
PAGES = ("page_split", "wrong_page")  # wait for a page that they can spoil
PERIODS = ("rest_lag", "clock_skew", "limit_change", "slow_source")
WORLD = ("listing", "delisting", "forget")  # stay when play has ended, also across a restart
KINDS = (*CONNECTION, *FRAMES, *REQUESTS, *PAGES, *PERIODS, *WORLD)
OWN_CONNECTION = ("notice",)  # of some venues only
OWN_REQUESTS = ("http_50011",)
OWN_PERIODS = ("heartbeats_lost",)
OWN_WORLD = ("sequence_reset",)
STANDING = (*PERIODS, *OWN_PERIODS)
LASTING = (*WORLD, *OWN_WORLD)
KNOWN = (*KINDS, *OWN_CONNECTION, *OWN_REQUESTS, *OWN_PERIODS, *OWN_WORLD)
MODES = ("outside", "repeat", "other", "bars")
FAMILIES = (
    "aggTrades", "trades", "historicalTrades", "klines", "archive",
    "history-trades", "candles", "history-candles", "tickers", "instruments",
)  # fmt: skip


@dataclass(slots=True)
class Entry:
    """One line of a script.

    `at` and `every` are real seconds of play (without `every` it happens once), `rate` is a share of frames. `seconds`
    is how long a delay, a lag or a notice is; `lasts` for how long a period stands (0: to the end, a changed limit for
    good), or how long a silence waits for an acknowledgement before it takes a live stream; `count` how many frames a
    burst has, pages are wrong, subscriptions are refused. `factor` is by how much a limit or the time of a reply
    changes, `first` to `last` the ids that are forgotten, `path` the replies that are slow.
    """

    kind: str
    at: float | None = None
    every: float | None = None
    rate: float = 0.0
    seconds: float = 1.0
    lasts: float = 5.0
    count: int = 1
    places: int = 50
    ban_seconds: float = 5.0
    retry_after: float | None = 1.0
    abrupt: bool | None = None
    symbol: str | None = None
    stream: str | None = None
    mode: str = "outside"
    factor: float = 0.0  # 0: half a limit, or `seconds` more for a reply
    path: str | None = None
    late: bool = False
    first: int | None = None
    last: int | None = None


@dataclass(slots=True)
class Script:
    """A whole script: entries, and limits that differ from the venue's."""

    entries: list[Entry] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)


def entry_from(raw: dict[str, Any]) -> Entry:
    """Reads one entry and says what is wrong with it."""
    kind = raw.get("kind")
    if kind not in KNOWN:
        raise SimError(f"unknown fault kind {kind!r}{nearest(str(kind), KNOWN)}; allowed are {', '.join(KNOWN)}")
    known = {item.name for item in fields(Entry)}
    for key, value in raw.items():
        if key not in known:
            raise SimError(f"fault {kind}: unknown setting {key!r}; allowed are {', '.join(sorted(known))}")
        text = key in ("kind", "symbol", "stream", "mode", "path")
        flag = key in ("abrupt", "late")
        fits = isinstance(value, str) if text else isinstance(value, bool) if flag else _number(value)
        if not fits and not (key == "retry_after" and value is False):
            raise SimError(f"fault {kind}: {key} = {value!r} is of the wrong type or negative")
    entry = Entry(**raw)
    if entry.retry_after is False:
        entry.retry_after = None
    if entry.rate and kind not in FRAME_RATES:
        raise SimError(f"fault {kind}: goes by time, not by rate; rates are for {', '.join(FRAME_RATES)}")
    for key, value, allowed in (("mode", entry.mode, MODES), ("path", entry.path, FAMILIES)):
        if value is not None and value not in allowed:
            raise SimError(f"fault {kind}: unknown {key} {value!r}; allowed are {', '.join(allowed)}")
    if (entry.first is None) != (entry.last is None) or (entry.first or 0) > (entry.last or 0):
        raise SimError(f"fault {kind}: `first` to `last` must be given together, and not backwards")
    return entry


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def load_script(name: str, presets: dict[str, list[Entry]]) -> Script:
    """Returns a preset or reads a TOML file of `[[fault]]` tables and a `[limits]` table."""
    if name in presets:
        return Script(entries=list(presets[name]))
    path = Path(name)
    if not path.exists():
        raise SimError(
            f"unknown faults {name!r}{nearest(name, presets)}; allowed are {', '.join(presets)} or a TOML file"
        )
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SimError(f"fault file {path}: cannot be read ({error})") from None
    for key in raw:
        if key not in ("fault", "limits"):
            raise SimError(f"fault file {path}: unknown table {key!r}; allowed are [[fault]] and [limits]")
    listed = raw.get("fault", [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise SimError(f"fault file {path}: faults are written as [[fault]] tables")
    entries = [entry_from(item) for item in listed]
    for entry in entries:
        if not entry.rate and entry.at is None and entry.every is None:
            raise SimError(f"fault file {path}: fault {entry.kind} needs `every`, `at` or `rate`")
    return Script(entries, raw.get("limits", {}))
