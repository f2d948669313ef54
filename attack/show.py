"""What people see of an attack: progress while it is played, a table at the end."""

import sys
import time
from statistics import median
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.table import Table

from attack.row import Figures

COLUMNS = (
    "row", "seed", "sent", "held", "missing", "doubled", "altered", "permanent", "longest hole", "repair s", "requests",
    "bans caused", "while banned", "MB", "verdict",
)  # fmt: skip
_SUMS = (
    "sent", "held", "missing", "doubled", "altered", "permanent", "repairs", "requests", "bans_caused", "while_banned",
)  # fmt: skip
_WORST = ("longest_hole_ids", "longest_hole_s", "repair_max_s", "rss_mb")


def cells(figures: Figures) -> tuple[str, ...]:
    """Write the figures of a row as the columns of the table."""
    hole = f"{figures.longest_hole_ids:,} / {figures.longest_hole_s:.0f} s" if figures.longest_hole_ids else "-"
    repair = f"{figures.repair_median_s:.2f} / {figures.repair_max_s:.1f}" if figures.repairs else "-"
    return (
        figures.row, str(figures.seed), f"{figures.sent:,}", f"{figures.held:,}", f"{figures.missing:,}",
        f"{figures.doubled:,}", f"{figures.altered:,}", f"{figures.permanent:,}", hole, repair,
        f"{figures.requests:,}", str(figures.bans_caused), str(figures.while_banned), f"{figures.rss_mb:.0f}",
        "whole" if figures.whole else "FALLS SHORT",
    )  # fmt: skip


def table(found: list[Figures]) -> Table:
    """Lay out all rows; a hole is ids / seconds of the market, repair is median / longest."""
    shown = Table(
        title="The attack", title_justify="left", caption_justify="left",
        caption="longest hole: ids / seconds of the market; repair: median / longest, in seconds; MB: most memory held",
    )  # fmt: skip
    for name in COLUMNS:
        shown.add_column(name, justify="left" if name in ("row", "verdict") else "right", no_wrap=name == "row")
    for figures in found:
        shown.add_row(*cells(figures), style=None if figures.whole else "bold red")
    return shown


def over_seeds(found: list[Figures]) -> list[tuple[str, Figures]]:
    """Put the figures of a row over all its seeds into one, with the seeds: sums, and the worst of what is no count."""
    rows: dict[str, list[Figures]] = {}
    for figures in found:
        rows.setdefault(figures.row, []).append(figures)
    result = []
    for name, some in rows.items():
        put = Figures(row=name, seed=some[0].seed, repair_median_s=median(one.repair_median_s for one in some))
        for what in _SUMS:
            setattr(put, what, sum(getattr(one, what) for one in some))
        for what in _WORST:
            setattr(put, what, max(getattr(one, what) for one in some))
        put.shortfalls = [text for one in some for text in one.shortfalls]
        result.append((", ".join(str(one.seed) for one in some), put))
    return result


def markdown(found: list[Figures]) -> str:
    """Write the table for a document, a line a row."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * (len(COLUMNS) - 2) + "---|"]
    for seeds, figures in over_seeds(found):
        name, _, *others = cells(figures)
        lines.append("| " + " | ".join((name, seeds, *others)) + " |")
    return "\n".join(lines)


class Progress:
    """Says which rows are played and for how long; a live line on a terminal, plain lines elsewhere."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True)
        self._total = total
        self._done = 0
        self._running: dict[str, float] = {}
        self._live: Status | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = self._console.status("starting")
            self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.__exit__(None, None, None)

    def begin(self, name: str) -> None:
        """A row begins."""
        self._running[name] = time.monotonic()
        if not self._live:
            print(f"attack: {name} ...", file=sys.stderr, flush=True)

    def tell(self) -> None:
        """Show how long the rows that are played have taken."""
        if self._live:
            now = time.monotonic()
            rows = ", ".join(f"{name} {now - since:.0f} s" for name, since in list(self._running.items()))
            self._live.update(f"{self._done} of {self._total} rows; playing {rows}")

    def end(self, name: str, figures: Figures) -> None:
        """A row is over."""
        self._done += 1
        self._running.pop(name, None)
        said = f"{name}: {'whole' if figures.whole else 'FALLS SHORT: ' + '; '.join(figures.shortfalls)}"
        line = f"attack: [{self._done}/{self._total}] {said}, {figures.took_s:.0f} s"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
