"""`gapless replay`: stored tapes through the engine again."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gapless.cli.options import AsJson, End, InEnvironment, Sets, Start, Store, environment, moment, ordered
from gapless.errors import BadInput

if TYPE_CHECKING:
    from gapless.replaying import Replaying, Report

_SHOWN = 20  # differences that are printed


def replay(
    ids: Annotated[list[str], typer.Argument(help="Ids such as binance:BTCUSDT, or any usual spelling.")],
    start: Start = None,
    end: End = None,
    speed: Annotated[
        str, typer.Option("--speed", help="Times the market's pace, as in 60; max is as fast as it can.")
    ] = "max",
    timeframes: Annotated[
        list[str] | None,
        typer.Option("--timeframe", help="With --json: bars of it, 1m without; may be repeated.", metavar="TIMEFRAME"),
    ] = None,
    digest_only: Annotated[
        bool, typer.Option("--digest-only", help="Print the digest of the signals that stand; nothing is replayed.")
    ] = False,
    sets: Sets = None,
    as_json: AsJson = False,
    store: Store = None,
    env: InEnvironment = None,
) -> int:
    """Run what is stored through the engine again: bars and signals as they came to stand, and the proof that they do.

    Every candle is held against the stored one, the signals by their digest against those that were judged live; what
    differs is listed (exit status 1). With --json events are printed as they come, a line each. `--set signals.KEY=V`
    judges by other settings than the live ones, for a backtest: then signals that are found or lost are no fault.
    """
    import asyncio

    import msgspec

    from gapless.config import load
    from gapless.replaying import Replaying
    from gapless.venues.registry import VENUES

    begin, until = moment(start, "--start"), moment(end, "--end")
    ordered(begin, until)
    for text in sets or ():
        if not text.startswith("signals."):
            raise BadInput(f"--set {text!r} is not for a replay; allowed are settings of signals")
    replaying = Replaying(
        store, ids, start=begin, end=until, speed=_speed(speed), timeframes=timeframes or ["1m"],
        signals=load(sets=sets, venues=VENUES).signals if sets else None, environment=environment(env),
    )  # fmt: skip
    if digest_only:
        for name, report in replaying.live().items():
            print(f"{name}: {report.signals:,} signals stand, sha256 {report.digest}")
        return 0
    write = msgspec.json.Encoder().encode
    asyncio.run(_run(replaying, (lambda row: print(write(row).decode())) if as_json else None))
    for name, report in replaying.reports.items():
        if as_json:
            print(write({"type": "done", "instrument": name, **_summary(report)}).decode())
        else:
            print("\n".join(_told(name, report)))
    backtest = bool(sets)
    return (
        0 if all(report.same or (backtest and not report.differences) for report in replaying.reports.values()) else 1
    )


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"--speed: {text!r} is not allowed; allowed is a number above 0, or max") from None


async def _run(replaying: "Replaying", show: Callable[[dict[str, Any]], None] | None) -> None:
    """Go through the events; what takes longer than a second says how far it has come."""
    from gapless.model import iso

    began = said = time.monotonic()

    def passed(at: int) -> None:
        nonlocal said
        if time.monotonic() - said > 1:
            said = time.monotonic()
            print(f"\rgapless: replayed up to {iso(at)}", end="", file=sys.stderr, flush=True)

    async for row in replaying.paced(passed):
        if show:
            show(row)
    if said > began:
        print(file=sys.stderr)


def _summary(report: "Report") -> dict[str, Any]:
    from gapless.model import iso
    from gapless.query.present import signal_row

    return {
        "start": iso(report.start),
        "end": iso(report.end),
        "minutes": report.minutes,
        "as_stored": report.as_stored,
        "differences": [{"start": iso(one.start), "differs": one.names} for one in report.differences],
        "signals": report.signals,
        "digest": report.digest,
        "live": report.live,
        "found": [signal_row(judged) for judged in report.found],
        "lost": [signal_row(judged) for judged in report.lost],
    }


def _told(name: str, report: "Report") -> list[str]:
    """Write what a replay came to for people."""
    from gapless.model import Timeframe, iso

    again = report.minutes - report.as_stored
    lines = [
        f"{name}: {iso(report.start)} to {iso(report.end)}, {again:,} minutes derived again, "
        f"{len(report.differences):,} of them otherwise than they are stored"
    ]
    if report.as_stored:
        lines.append(f"  {report.as_stored:,} minutes as they are stored: some of their trades have expired")
    lines += [f"  {iso(one.start)}: {', '.join(one.names)} differ" for one in report.differences[:_SHOWN]]
    lines.append(f"  {report.signals:,} signals, sha256 {report.digest}")
    if report.live is not None:
        same = "the same signals stand live" if report.live == report.digest else f"live stand others: {report.live}"
        lines.append(f"  {same}")
    else:
        lines.append("  nothing to hold them against: nothing was judged live, or some of it still waits to be")
    for word, some in (("found here alone", report.found), ("lost here", report.lost)):
        lines += [
            f"  {word}: {Timeframe(one.minutes)} {iso(one.start)} {one.signal.kind} (revision {one.revision})"
            for one in some[:_SHOWN]
        ]
        if len(some) > _SHOWN:
            lines.append(f"  {word}: {len(some) - _SHOWN:,} more")
    return lines
