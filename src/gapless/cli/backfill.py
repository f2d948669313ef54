"""`gapless backfill`: history on request, priced before it is spent."""

from typing import Annotated

import typer

from gapless.cli.options import AsJson, End, Sets, Start, Store, moment, ordered


def backfill(
    ids: Annotated[
        list[str],
        typer.Argument(help="Instruments, or a venue for all that the store holds of it.", metavar="ID|VENUE ..."),
    ],
    start: Start = None,
    end: End = None,
    timeframes: Annotated[str | None, typer.Option("--timeframes", help="With --bars: 5m,15m.")] = None,
    bars: Annotated[int | None, typer.Option("--bars", min=1, help="That many newest bars of each timeframe.")] = None,
    indicators: Annotated[
        str | None,
        typer.Option("--for", help="The bars that the newest one needs for these: sma:200,ichimoku.", metavar="..."),
    ] = None,
    timeframe: Annotated[str | None, typer.Option("--timeframe", help="With --for: 5m; default 1m.")] = None,
    trades: Annotated[bool, typer.Option("--trades", help="Trades instead of candles.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print cost, time and sources and end; asks nobody.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Spend quota points without asking (no venue has them yet).")
    ] = False,
    store: Store = None,
    sets: Sets = None,
    json: AsJson = False,
) -> int:
    """Fetch candles or trades of the past from the cheapest source, only what is not held; never the same twice."""
    import asyncio
    import time

    from gapless.backfilling import Asked, run
    from gapless.collect.sources import FINAL_AFTER
    from gapless.errors import BadInput
    from gapless.model import MINUTE, parse_timeframe

    begin, until = moment(start, "--start"), moment(end, "--end")
    ordered(begin, until)
    if (bars is None) != (timeframes is None):
        raise BadInput("--timeframes and --bars go together, as in --timeframes 5m,15m --bars 200")
    if [begin is None, bars is None, indicators is None].count(False) != 1:
        raise BadInput("name a range with --start (and --end), or --timeframes and --bars, or --for")
    # The newest bar that is final: one that has just ended may still change, and would count as missing.
    newest = (time.time_ns() - FINAL_AFTER) // MINUTE * MINUTE
    until = min(until or newest, newest)
    if trades and bars is not None:
        raise BadInput("--trades goes with --start (and --end), not with --timeframes and --bars")
    if timeframe and indicators is None:
        raise BadInput("--timeframe goes with --for, as in --for sma:200 --timeframe 5m")
    if indicators is not None:
        if trades:
            raise BadInput("--trades goes with --start (and --end), not with --for: indicators are made of candles")
        begin, until = _needed(indicators, timeframe or "1m", until)
    if bars and timeframes:
        longest = max(parse_timeframe(text).length for text in timeframes.split(","))
        begin = until - bars * longest
    assert begin is not None
    begin = min(begin, until)
    asked = Asked(ids=ids, start=begin, end=until, trades=trades, plan_only=plan, yes=yes, json=json)
    return asyncio.run(run(asked, store, list(sets or ())))


def _needed(indicators: str, timeframe: str, until: int) -> tuple[int, int]:
    """Give the times, ns UTC, of the bars that values at the newest bar that has closed by `until` need."""
    from gapless.model import parse_timeframe
    from gapless.query.indicators import indicators_asked, warm_up_begin

    frame = parse_timeframe(timeframe)
    end = frame.start_of(until)
    return warm_up_begin(indicators_asked([indicators], frame), frame, frame.start_of(end - 1)), end
