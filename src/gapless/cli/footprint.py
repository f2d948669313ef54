"""`gapless footprint`: volume by price and side inside a bar."""

from typing import TYPE_CHECKING, Annotated

import typer

from gapless.cli.options import (
    AsJson,
    AsOf,
    End,
    Epoch,
    Fetches,
    InEnvironment,
    Sets,
    Start,
    Store,
    environment,
    moment,
    one_of,
    opened,
    ordered,
    unfetched,
)

if TYPE_CHECKING:
    from gapless.model import Instrument, Timeframe
    from gapless.query.footprint_rows import BarFootprint

_BAR = 24


def footprint(
    instrument: Annotated[
        str | None, typer.Argument(help="An id such as binance:BTCUSDT, or any usual spelling.", metavar="ID")
    ] = None,
    first: Annotated[
        str | None, typer.Argument(help="A time inside the bar; left out for many bars.", metavar="[START]")
    ] = None,
    second: Annotated[str | None, typer.Argument(help="1m to 1440m, 1h to 24h, 1d, 1w.", metavar="TIMEFRAME")] = None,
    start: Start = None,
    end: End = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="The last N closed bars. Default: 1.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Add the forming bar.")] = False,
    ticks_per_row: Annotated[
        int | None, typer.Option("--ticks-per-row", min=1, help="Height of a row. Default: fits a typical bar.")
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option("--batch", help="Candles of a file: id,timeframe,start or JSON a line; - for stdin."),
    ] = None,
    fetch: Fetches = False,
    sets: Sets = None,
    as_of: AsOf = None,
    store: Store = None,
    json: AsJson = False,
    epoch: Epoch = None,
    env: InEnvironment = None,
) -> int:
    """Print the footprint of one bar (ID START TIMEFRAME) or of many (ID TIMEFRAME with --start, --end or --last).

    Without any of these of the last closed bar; with --batch of the candles of a file, and of no other.
    Exit status 1 when trades of it are not held whole.
    """
    import msgspec

    from gapless.cli.batch import print_batch
    from gapless.cli.fetching import fetched
    from gapless.errors import BadInput
    from gapless.model import parse_timeframe
    from gapless.query import footprint as query
    from gapless.query.footprint_rows import footprint_object

    one_of(epoch, "--epoch", ("ms", "us", "ns"))
    if batch is not None:
        if instrument or start or end or last or live or fetch or ticks_per_row or as_of:
            raise BadInput("--batch goes alone, with --store, --environment, --epoch and --json")
        return print_batch(batch, store=store, environment=environment(env), epoch=epoch, json=json)
    if instrument is None or first is None:
        raise BadInput("name an instrument and a timeframe, as in `gapless footprint binance:BTCUSDT 5m`, or --batch")
    frame = parse_timeframe(first if second is None else second)
    begin, until = moment(start, "--start"), moment(end, "--end")
    ordered(begin, until)
    if last and (start or end):
        raise BadInput("--last goes alone; a range is --start and --end")
    if second is not None and (start or end or last or live):
        raise BadInput("START names one bar; for many leave it out and give --start and --end, or --last")
    at = None if second is None else moment(first, "START")
    count = last or (None if start else 1)
    unfetched(as_of, fetch=fetch)
    told = fetched(
        fetch, instrument, frame, trades=True, url=store, sets=list(sets or ()),
        start=begin if at is None else frame.start_of(at),
        end=until if at is None else frame.end_of(frame.start_of(at)), last=count if at is None else None,
    )  # fmt: skip
    market = opened(store, env, as_of)
    found = market.instrument(instrument)
    if at is not None:
        bar = query.footprint(market, found, frame, at, ticks_per_row=ticks_per_row)
        if json:
            print(msgspec.json.encode(footprint_object(bar, found, timeframe=frame, epoch=epoch) | told).decode())
        else:
            print(drawn(bar, found, timeframe=frame))
        return _status(bar)
    if json:
        answer = query.footprint_answer(
            market, found, frame, start=begin, end=until, last=count, live=live, ticks_per_row=ticks_per_row,
            epoch=epoch,
        )  # fmt: skip
        print(msgspec.json.encode(answer | told).decode())
        return 1 if answer["missing"] or answer["failed"] or not answer["rows"] else 0
    bars, missing = query.footprints(
        market, found, frame, start=begin, end=until, last=count, live=live, ticks_per_row=ticks_per_row
    )
    print("\n\n".join(drawn(bar, found, timeframe=frame) for bar in bars) or f"no bar of {found.id} is held there")
    return 1 if missing or not bars or any(bar.error for bar in bars) else 0


def _status(bar: "BarFootprint") -> int:
    return 1 if bar.missing or bar.proof == 0 else 0


def drawn(bar: "BarFootprint", instrument: "Instrument", *, timeframe: "Timeframe") -> str:
    """Draw a footprint for a terminal: bid x ask from high to low, the value area and its point of control marked."""
    from gapless.model.number import plain
    from gapless.model.times import iso

    p, s = instrument.price_digits, instrument.size_digits
    found = bar.footprint
    lines = [
        f"{instrument.id} {timeframe} {iso(bar.start)}  {bar.state.text}, {bar.proof.text} "
        f"({', '.join(bar.sources)})" + (", short" if bar.short else "")
    ]
    if bar.error:
        return f"{lines[0]}\n  {bar.error}"
    if found.rows:
        lines += _rows(bar, p, s)
        share = f"{found.value_area_share:.1%}" if found.value_area_share is not None else "-"
        lines.append(
            f"  volume {plain(found.volume, s)}  trades {found.trades}  delta {plain(found.delta, s)} "
            f"({plain(found.min_delta, s)} to {plain(found.max_delta, s)})  value area {share} "
            f"by {found.rows_per_step}, {found.ticks_per_row} ticks a row"
        )
    else:
        lines.append("  no trades")
    for zone in found.stacked:
        lines.append(f"  stacked {_side(zone.side)} imbalance: {plain(zone.low, p)} to {plain(zone.high, p)}")
    for one in found.findings:
        lines.append(f"  {one.kind} at the {one.at}: {plain(one.volume, s)} in {one.rows} rows")
    if bar.quality:
        share = "" if bar.quality.completeness is None else f", {bar.quality.completeness:.1%} of the venue's volume"
        lines.append(f"  quality {bar.quality.score} of 10{share}: {'; '.join(bar.quality.reasons)}")
    for a, b in bar.missing:
        lines.append(f"  not held whole: {iso(a)} to {iso(b)}")
    return "\n".join(lines)


def _rows(bar: "BarFootprint", p: int, s: int) -> list[str]:
    from gapless.model.number import plain

    found = bar.footprint
    low, high, poc = found.val or 0, found.vah or 0, found.poc
    marks = {(one.price, one.side) for one in found.imbalances}
    most = max(row.total for row in found.rows)
    width = max(len(plain(max(row.bid, row.ask), s)) for row in found.rows)
    lines = []
    for row in reversed(found.rows):
        bid, ask = plain(row.bid, s).rjust(width), plain(row.ask, s).ljust(width)
        left = ">" if (row.price, -1) in marks else " "
        right = "<" if (row.price, 1) in marks else " "
        area = "POC" if row.price == poc else " | " if low <= row.price <= high else "   "
        length = round(_BAR * row.total / most) if most else 0
        lines.append(f"  {plain(row.price, p)}  {left}{bid} x {ask}{right}  {area} {'#' * length}".rstrip())
    return lines


def _side(side: int) -> str:
    return "buy" if side > 0 else "sell"
