"""`gapless profile`: volume profiles by session."""

import sys
from typing import Annotated

import typer

from gapless.cli.options import AsJson, AsOf, End, Epoch, InEnvironment, Start, Store, moment, one_of, opened, ordered


def profile(
    instrument: Annotated[str, typer.Argument(help="An id such as binance:BTCUSDT, or any usual spelling.")],
    session: Annotated[str, typer.Option("--session", help="1d, 1w, or any timeframe.")] = "1d",
    last: Annotated[int | None, typer.Option("--last", min=1, help="The last N closed sessions. Default: 1.")] = None,
    start: Start = None,
    end: End = None,
    live: Annotated[bool, typer.Option("--live", help="Add the open session.")] = False,
    ticks_per_row: Annotated[
        int | None, typer.Option("--ticks-per-row", min=1, help="Height of a row. Default: fits a typical session.")
    ] = None,
    as_of: AsOf = None,
    store: Store = None,
    json: AsJson = False,
    epoch: Epoch = None,
    env: InEnvironment = None,
) -> int:
    """Print the volume profile of sessions: value area, high and low volume nodes, and which POC is naked.

    Exit status 1 when trades of it are not held whole.
    """
    import msgspec

    from gapless.cli.footprint import drawn
    from gapless.errors import BadInput
    from gapless.model import parse_timeframe
    from gapless.query.profiles import profile_answer, profiles

    frame = parse_timeframe(session)
    one_of(epoch, "--epoch", ("ms", "us", "ns"))
    begin, until = moment(start, "--start"), moment(end, "--end")
    ordered(begin, until)
    if last and (start or end):
        raise BadInput("--last goes alone; a range is --start and --end")
    market = opened(store, env, as_of)
    found = market.instrument(instrument)
    count = last or (None if start else 1)
    if json:
        answer = profile_answer(
            market, found, frame, begin, until, count, live=live, ticks_per_row=ticks_per_row, epoch=epoch
        )
        print(msgspec.json.encode(answer).decode())
        return 1 if answer["missing"] or not answer["rows"] else 0
    bars, naked, missing = profiles(
        market, found, frame, start=begin, end=until, last=count, live=live, ticks_per_row=ticks_per_row
    )
    shown = []
    for bar, untouched in zip(bars, naked, strict=True):
        text = drawn(bar, found, timeframe=frame)
        if bar.footprint.rows:
            text += f"\n  {_nodes(bar.footprint.high_nodes, found.price_digits, 'high volume')}"
            text += f"\n  {_nodes(bar.footprint.low_nodes, found.price_digits, 'low volume')}"
            text += f"\n  POC {_WORDS[untouched]}"
        shown.append(text)
    if shown:
        print("\n\n".join(shown))
    else:
        more = "" if live else "; --live adds the open one"
        print(f"gapless: no closed {session} session of {found.id} is held there{more}", file=sys.stderr)
    return 1 if missing or not bars else 0


_WORDS = {
    True: "naked: no later session has touched it",
    False: "touched by a later session",
    None: "perhaps naked: a later session is not held whole",
}


def _nodes(prices: tuple[int, ...], digits: int, what: str) -> str:
    from gapless.model.number import plain

    return f"{what} nodes: {', '.join(plain(price, digits) for price in prices) or 'none'}"
