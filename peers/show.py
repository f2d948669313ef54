"""What people see of a comparison: lines while it is played, a table at the end."""

import os
import platform
import sys
from collections import Counter
from collections.abc import Iterable

import psutil
from rich.table import Table

from peers.judge import Loss
from peers.play import Played
from peers.rows import CLIENTS, CONDITIONS, SPEED

COLUMNS = (
    "condition", "client", "sent", "delivered", "missing", "lost", "doubled", "altered", "out of order",
    "longest hole", "minutes", "REST", "bans caused", "what it said",
)  # fmt: skip
LEFT = ("condition", "client", "what it said")
CAPTION = (
    "trades counted from each client's own first one, over all seeds; longest hole: trades / real seconds; "
    "minutes: right / due (wrong ones); what it said: by itself, while the market went on"
)


def cells(plays: list[Played]) -> tuple[str, ...]:
    """Write all plays of one client under one condition as a line of the table."""
    loss, told, failed = Loss(), Counter[str](), [one.failed for one in plays if one.failed]
    done = [one for one in plays if not one.failed]
    for one in done:
        loss.add(one.loss)
        told.update(one.told)
    if not done:
        return (plays[0].condition, plays[0].client, *["-"] * (len(COLUMNS) - 3), f"not played: {failed[0]}")
    said = ", ".join(f"{count} x {kind}" for kind, count in told.most_common(4)) or "nothing"
    if failed:
        said += f"; {len(failed)} not played: {failed[0]}"
    hole = f"{loss.hole_ids:,} / {loss.hole_s / SPEED:.1f} s" if loss.hole_ids else "-"
    wrong = f" ({loss.bars_wrong} wrong)" if loss.bars_wrong else ""
    return (
        plays[0].condition, plays[0].client, f"{loss.sent:,}", f"{loss.delivered:,}", f"{loss.missing:,}",
        f"{100 * loss.missing / max(loss.sent, 1):.2f} %", f"{loss.doubled:,}", f"{loss.altered:,}",
        f"{loss.disordered:,}", hole, f"{loss.bars_held} / {loss.bars_sent}{wrong}",
        f"{sum(one.requests for one in done):,}", str(sum(one.bans_caused for one in done)), said,
    )  # fmt: skip


def lines(found: Iterable[Played]) -> list[tuple[str, ...]]:
    """Write one line a condition and client, in the order of both."""
    found = list(found)
    grouped = [
        [one for one in found if (one.condition, one.client) == (condition.name, client.name)]
        for condition in CONDITIONS
        for client in CLIENTS
    ]
    return [cells(plays) for plays in grouped if plays]


def table(found: list[Played]) -> Table:
    """Lay out the comparison for a terminal."""
    shown = Table(
        title="The same attack on other collectors", title_justify="left", caption=CAPTION, caption_justify="left"
    )
    for name in COLUMNS:
        shown.add_column(name, justify="left" if name in LEFT else "right", no_wrap=name in LEFT[:2])
    previous = ""
    for line in lines(found):
        if previous and line[0] != previous:
            shown.add_section()
        previous = line[0]
        shown.add_row(*line, style=None if line[4] == "0" else "red")
    return shown


def markdown(found: list[Played]) -> str:
    """Write the comparison for a document."""
    rule = "|" + "".join("---|" if name in LEFT else "---:|" for name in COLUMNS)
    rows = ["| " + " | ".join(COLUMNS) + " |", rule, *("| " + " | ".join(line) + " |" for line in lines(found))]
    modes = [f"- **{client.name}** {who(found, client.name)}: {client.mode}." for client in CLIENTS]
    about = [f"- *{condition.name}*: {condition.about}." for condition in CONDITIONS]
    return "\n".join([*rows, "", CAPTION[0].upper() + CAPTION[1:] + ".", "", *about, "", *modes])


def who(found: list[Played], name: str) -> str:
    """Tell the version that was played, and on which Python."""
    for one in found:
        if one.client == name and one.version:
            return f"{one.version} (Python {one.python or platform.python_version()})"
    return "(not played)"


def machine() -> str:
    """Tell what this was run on."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, Python {platform.python_version()}"


def say(text: str) -> None:
    """Tell progress, on standard error."""
    print(f"peers: {text}", file=sys.stderr, flush=True)
