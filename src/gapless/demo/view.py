"""What people see of a demonstration: a live view on a terminal, a line now and then elsewhere, a verdict."""

import sys
import time
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gapless.demo.plan import Plan

_EVERY = 10.0


class View:
    """Shows connections, rates, gaps and budget while a demonstration runs."""

    def __init__(self, plan: Plan, limit: float | None) -> None:
        self._silent = plan.json
        self._limit = limit
        self._console = Console()
        self._live: Live | None = None
        self._note = "starting"
        self._told = 0.0

    def __enter__(self) -> Self:
        if not self._silent and self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4)
            self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.__exit__(None, None, None)

    def say(self, note: str) -> None:
        """Say what happens now."""
        self._note = note
        if not self._live and not self._silent:
            print(note, file=sys.stderr)

    def show(self, state: dict[str, Any], status: dict[str, Any] | None, elapsed: float) -> None:
        """Show how things stand."""
        if self._silent or status is None:
            return
        if state["playing"] and self._note == "starting":
            self._note = "the market plays, with faults"
        if self._live:
            self._live.update(self._screen(state, status, elapsed))
        elif time.monotonic() - self._told > _EVERY:
            self._told = time.monotonic()
            print(_line(state, status, elapsed), file=sys.stderr)

    def _screen(self, state: dict[str, Any], status: dict[str, Any], elapsed: float) -> Group:
        table = Table(expand=False, title="connections", title_justify="left")
        for column in ("connection", "state", "streams live", "up s", "frames", "connects", "malformed"):
            table.add_column(column, justify="left" if column in ("connection", "state") else "right")
        for c in status["connections"]:
            table.add_row(
                c["id"], c["state"], f"{c['live']}/{c['streams']}", f"{c['uptime_s']:.0f}", f"{c['frames']:,}",
                str(c["connects"]), str(c["malformed"]),
            )  # fmt: skip
        faults = ", ".join(f"{count} {kind}" for kind, count in state["faults"].items() if count) or "none yet"
        lines = [
            Text(f"gapless demo: {self._note}", style="bold"),
            Text(_line(state, status, elapsed)),
            Text(f"faults so far: {faults}"),
        ]
        bar = ProgressBar(total=self._limit, completed=min(elapsed, self._limit), width=60) if self._limit else Text("")
        padded = Padding(bar, (0, 0, 1, 0))
        return Group(*lines, padded, table)


def _line(state: dict[str, Any], status: dict[str, Any], elapsed: float) -> str:
    gaps, rest = status["gaps"], state["rest"]
    budget = next(iter(status["budgets"]), {"used": 0, "limit": 0, "blocked_until": None})
    blocked = ", blocked" if budget["blocked_until"] else ""
    return (
        f"{elapsed:5.1f} s  {status['rates']['messages']:,.0f} messages/s  {status['store']['rows']:,} trades stored  "
        f"gaps {gaps['open']} open, {gaps['repaired']} repaired  REST {rest['requests']} requests, "
        f"weight {budget['used']} of {budget['limit']} this minute{blocked}"
    )


def summary(result: dict[str, Any]) -> str:
    """Write the verdict."""
    sent, held, rest = result["sent"], result["held"], result["rest"]
    lines = [
        "",
        f"sent      {sent['trades']:>9,} trades  {sent['candles']:>6,} candles",
        f"held      {held['trades']:>9,} trades  {held['candles']:>6,} candles",
        f"missing {result['missing']}, doubled {result['duplicated']}, altered {result['altered']}, "
        f"gaps open {result['gaps_open']}; ids repaired {result['repaired']:,}",
        "faults    " + (", ".join(f"{n} {kind}" for kind, n in result["faults"].items() if n) or "none"),
        f"REST      {rest['requests']} requests, weight {rest['weight']}, a minute's most {rest['max_weight_minute']}; "
        f"{rest['refused']} refused, bans {rest['bans']}, bans we caused {rest['bans_caused']}, "
        f"sent while banned {rest['while_banned']}",
    ]
    lines += [f"  ! {text}" for text in result["shortfalls"]]
    whole = not any(result[name] for name in ("missing", "duplicated", "altered", "gaps_open"))
    lines.append(f"{'PROVEN: every event held, once, unaltered' if whole else 'NOT WHOLE'} ({result['seconds']} s)")
    return "\n".join(lines)
