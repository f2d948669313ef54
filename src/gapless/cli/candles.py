"""`gapless candles`: bars of any timeframe."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gapless.cli.options import (
    AsOf,
    End,
    Epoch,
    Fetches,
    Format,
    InEnvironment,
    Output,
    Sets,
    Start,
    Store,
    With,
    moment,
    one_of,
    opened,
    ordered,
    unfetched,
)

if TYPE_CHECKING:
    from gapless.model import Timeframe
    from gapless.query.market import Market


def candles(
    instrument: Annotated[str, typer.Argument(help="An id such as binance:BTCUSDT, or any usual spelling.")],
    timeframe: Annotated[str, typer.Argument(help="1m to 1440m, 1h to 24h, 1d, 1w.")],
    last: Annotated[int | None, typer.Option("--last", min=1, help="The last N closed bars.")] = None,
    start: Start = None,
    end: End = None,
    basis: Annotated[
        str, typer.Option("--basis", help="venue (its own bars where held) or tape (our fold).")
    ] = "venue",
    live: Annotated[bool, typer.Option("--live", help="Add the forming bar.")] = False,
    consolidated: Annotated[
        bool,
        typer.Option("--consolidated", help="One market of several venues (BTC/USDT); bars name their source."),
    ] = False,
    indicators: With = None,
    grid: Annotated[str, typer.Option("--grid", help="midnight or epoch.")] = "midnight",
    fetch: Fetches = False,
    sets: Sets = None,
    as_of: AsOf = None,
    store: Store = None,
    format: Format = "table",
    epoch: Epoch = None,
    output: Output = None,
    env: InEnvironment = None,
) -> int:
    """Print candles; a missing minute is a row with empty values and proof `missing` (exit status 1)."""
    from gapless.cli.fetching import fetched
    from gapless.cli.output import write_rows
    from gapless.errors import BadInput
    from gapless.model import Proof, iso, parse_timeframe
    from gapless.query.indicators import candles_with, indicators_asked
    from gapless.query.present import candle_columns, candle_decimals, candle_rows, listing

    frame = parse_timeframe(timeframe, one_of(grid, "--grid", ("midnight", "epoch")))  # type: ignore[arg-type]
    one_of(basis, "--basis", ("venue", "tape"))
    one_of(epoch, "--epoch", ("ms", "us", "ns"))
    if last and (start or end):
        raise BadInput("--last goes alone; a range is --start and --end")
    begin, until = moment(start, "--start"), moment(end, "--end")
    ordered(begin, until)
    if consolidated:
        if fetch or indicators or basis != "venue":
            raise BadInput("--consolidated goes without --fetch, --with and --basis")
        asked = {"start": begin, "end": until, "last": last, "live": live}
        return _consolidated(opened(store, env, as_of), instrument, frame, asked, format, epoch, output)
    columns = indicators_asked(indicators or (), frame)
    unfetched(as_of, fetch=fetch)
    told = fetched(
        fetch, instrument, frame, start=begin, end=until, last=last, trades=False, url=store, sets=list(sets or ())
    )
    market = opened(store, env, as_of)
    answer = candles_with(
        market,
        market.instrument(instrument),
        frame,
        columns,
        start=begin,
        end=until,
        last=last,
        basis=basis,  # type: ignore[arg-type]
        live=live,
    )
    write_rows(
        candle_columns(answer),
        candle_rows(answer, epoch=epoch),
        form=format,
        output=output,
        wrap=lambda rows: listing(answer, rows, epoch=epoch) | told,
        decimals=candle_decimals(answer.price_digits, answer.size_digits),
        floats=tuple(answer.indicators),
    )
    holes = [row.start for row in answer.rows if row.proof is Proof.MISSING]
    for since, till in answer.missing:
        if not any(since <= start < till for start in holes):
            print(f"gapless: {iso(since)} to {iso(till)} lies outside what the store holds", file=sys.stderr)
    if not answer.rows and not answer.missing:
        more = "" if live else "; --live adds the forming one"
        print(f"gapless: no closed {timeframe} bar of {instrument} is held there{more}", file=sys.stderr)
    if answer.warm_up and answer.warm_up.held < answer.warm_up.needed:
        print(
            f"gapless: of {answer.warm_up.needed} bars before the first one that the indicators need "
            f"{answer.warm_up.held} are held; gapless backfill --for fetches them",
            file=sys.stderr,
        )
    return 1 if holes or (fetch and answer.missing) else 0


def _consolidated(
    market: "Market", text: str, frame: "Timeframe", asked: dict[str, Any], form: str, epoch: str | None,
    output: Path | None,
) -> int:  # fmt: skip
    """Print consolidated candles; the column `source` names those of all minutes of a bar."""
    from gapless.cli.output import write_rows
    from gapless.model import Proof
    from gapless.query.consolidated import consolidated, consolidated_rows
    from gapless.query.present import CANDLE_COLUMNS, candle_decimals, listing

    answer = consolidated(market, text).candles(frame, **asked)
    rows = [
        row if form == "json" else row | {"source": " ".join(dict.fromkeys(p["source"] or "-" for p in row["sources"]))}
        for row in consolidated_rows(answer, epoch=epoch)
    ]
    write_rows(
        (*CANDLE_COLUMNS, "source", *(["sources"] if form == "json" else [])), rows, form=form, output=output,
        wrap=lambda rows: listing(answer, rows, epoch=epoch),
        decimals=candle_decimals(answer.price_digits, answer.size_digits),
    )  # fmt: skip
    if not answer.rows:
        print(f"gapless: no closed {frame} bar of {text} is held there", file=sys.stderr)
    return 1 if any(row.proof is Proof.MISSING for row in answer.rows) else 0
