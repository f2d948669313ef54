"""The figures of a row: by the comparer, the audit, the store's table of gaps and the simulator's journal."""

import contextlib
import json
import sqlite3
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from attack.markets import MARKETS
from attack.row import Figures
from attack.stage import Stage

TOO_MANY = 429
Ranges = dict[str, set[int]]


def measure(stage: Stage) -> Figures:
    """Compare what was sent with what is held, and say what falls short."""
    tally = _told(stage, "gapless.sim.compare", str(stage.sim.journal), f"sqlite:///{stage.store}", "sim")
    audit = _told(stage, "gapless", "audit", "--json", "--store", f"sqlite:///{stage.store}", may_find=True)
    figures = Figures(
        row=stage.row.name, seed=stage.seed, sent=sum(tally["sent"].values()), held=sum(tally["held"].values()),
        missing=tally["missing"], doubled=tally["duplicated"], altered=tally["altered"],
        settled_s=stage.settled_s, while_banned=stage.while_banned, hung_up=stage.hung_up,
        rss_mb=round(stage.rss_mb, 1), faults=stage.faults, notes=stage.notes,
    )  # fmt: skip
    _journal(stage.sim.journal, figures)
    _gaps(stage.store, figures)
    missing = {name: _ids(ranges) for name, ranges in tally["missing_ids"].items()}
    permanent, figures.gaps_open = _holes(audit, MARKETS[stage.row.venue].bars)
    figures.permanent = sum(len(ids) for ids in permanent.values())
    figures.shortfalls = [*stage.shortfalls, *_short(stage, figures, missing, permanent)]
    if figures.shortfalls:
        figures.notes += tally["first_shortfalls"][:5]
    return figures


def _told(stage: Stage, module: str, *arguments: str, may_find: bool = False) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, cwd=stage.folder, check=False
    )
    if told.returncode not in ((0, 1) if may_find else (0,)):
        raise RuntimeError(f"{module}: {(told.stderr.strip().splitlines() or ['?'])[-1]}")
    return dict(json.loads(told.stdout))


def _short(stage: Stage, figures: Figures, missing: Ranges, permanent: Ranges) -> list[str]:
    """Say what falls short."""
    row, found = stage.row, []
    if not figures.sent:
        found.append("nothing was sent")
    for name, count in (
        ("doubled", figures.doubled), ("altered", figures.altered), ("open holes", figures.gaps_open),
        ("bans caused", figures.bans_caused), ("requests while banned", figures.while_banned),
        ("connections refused as too many, or hung up on for too many messages", figures.hung_up),
        ("requests refused as too many", 0 if "limit_change" in row.kinds else figures.throttled),
    ):  # fmt: skip
        if count:
            found.append(f"{count} {name}")
    unnamed, wrongly = _without(missing, permanent), _without(permanent, missing)
    if unnamed:
        found.append(f"{unnamed} missing and not named as permanent")
    if wrongly:
        found.append(f"{wrongly} named as permanent and not missing")
    if row.permanent:
        if not figures.missing:
            found.append("nothing is missing, so the hole was none: the row proves nothing")
        if stage.lost and missing != {name: _ids(ranges) for name, ranges in stage.lost.items()}:
            found.append(f"what is missing is not what was made unfillable: {_sizes(missing)}")
    elif figures.missing:
        found.append(f"{figures.missing} missing")
    if figures.rss_mb > row.rss_mb:
        found.append(f"{figures.rss_mb:.0f} MB of memory, above {row.rss_mb:.0f}")
    found += [f"the fault {kind} never struck" for kind in row.kinds if not figures.faults.get(kind)]
    return found


def _ids(ranges: list[Any]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


def _without(some: Ranges, others: Ranges) -> int:
    return sum(len(ids - others.get(name, set())) for name, ids in some.items())


def _sizes(ranges: Ranges) -> str:
    return ", ".join(f"{name} {len(ids)}" for name, ids in ranges.items())


def _holes(audit: dict[str, Any], bars: str) -> tuple[Ranges, int]:
    """Give the ids of the permanent holes by tape, named as in the journal, and count the other holes."""
    permanent: Ranges = {}
    others = 0
    for tape in audit["tapes"]:
        name = f"{tape['instrument'].partition(':')[2]} {bars if tape['kind'] == 'bars' else tape['kind']}"
        for hole in tape["holes"]:
            if hole["state"] == "permanent":
                permanent.setdefault(name, set()).update(range(hole["first"], hole["last"] + 1))
            else:
                others += 1
    return permanent, others


def _journal(journal: Path, figures: Figures) -> None:
    """Count requests, those refused as too many that no fault has struck, and bans, over all lives of the simulator."""
    for line in journal.read_bytes().splitlines():
        if b'"t":"request"' in line:
            figures.requests += 1
            figures.throttled += json.loads(line)["status"] == TOO_MANY
        elif b'"t":"fault"' in line:
            figures.throttled -= json.loads(line)["kind"] == "http_429"
        elif b'"t":"ban"' in line:
            figures.bans += 1
            figures.bans_caused += json.loads(line)["caused"]


def _gaps(store: Path, figures: Figures) -> None:
    """Read how long holes stood and which was the longest; what history lacked at the start is none."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        rows = connection.execute(
            "SELECT g.tape, t.kind, g.first, g.last, g.opened, g.closed, g.state "
            "FROM gap g JOIN tape t ON t.id = g.tape WHERE g.cause <> 'history'"
        ).fetchall()
        longest = max((row for row in rows if row[1] != "bars"), key=lambda row: row[3] - row[2], default=None)
        if longest is not None:
            tape, _, first, last, *_ = longest
            figures.longest_hole_ids = last - first + 1
            begin, end = connection.execute(
                "SELECT (SELECT max(time) FROM trade WHERE tape = ?1 AND seq = ?2 - 1), "
                "(SELECT max(time) FROM trade WHERE tape = ?1 AND seq = ?3 + 1)", (tape, first, last),
            ).fetchone()  # fmt: skip
            figures.longest_hole_s = round((end - begin) / 1e9, 1) if begin and end else 0.0
    took = [(closed - opened) / 1e9 for *_, opened, closed, state in rows if state == "repaired" and closed]
    figures.repairs = len(took)
    if took:
        figures.repair_median_s, figures.repair_max_s = round(statistics.median(took), 2), round(max(took), 2)
