"""The routes of consolidated instruments: the paths that others' code depends on, and ours."""

import time
from typing import Annotated, Any, get_args

from litestar import get
from litestar.datastructures import State
from litestar.params import Parameter

from gapless.consolidate.settings import Resolution
from gapless.model import Timeframe
from gapless.model.times import in_epoch
from gapless.query.consolidated import (
    consolidated,
    consolidated_rows,
    switch_row,
    trades_listing,
    turns_of,
)
from gapless.query.market import Market
from gapless.query.present import listing
from gapless.serve.faces import Faces
from gapless.serve.pages import cut_after, plain_listing, then
from gapless.serve.questions import (
    EPOCHS,
    MOST_BARS,
    MOST_TRADES,
    at_most,
    bars_asked,
    bars_at_most,
    moment_of,
    one_of,
    span_of,
    timeframe_of,
)

Answer = dict[str, Any]
Symbol = Annotated[str, Parameter(description="A consolidated instrument: BTC/USDT, or any usual spelling.")]
MaybeSymbol = Annotated[str | None, Parameter(description="One consolidated instrument; all of them when absent.")]
Start = Annotated[str | None, Parameter(description="Begin of the range: ISO 8601, epoch, now or -6h.")]
End = Annotated[str | None, Parameter(description="End of the range, exclusive.")]
Epoch = Annotated[str | None, Parameter(description="Write times as epochs in ms, us or ns instead of ISO 8601.")]
AsOf = Annotated[str | None, Parameter(description="Answer what was known at a time of this machine.")]


@get("/api/websocket/health", tags=["sources"])
async def source_health(state: State) -> Answer:
    """Say in short whether what is followed is healthy."""
    return _faces(state).system.source_health()


@get("/api/websocket/sources", tags=["sources"])
async def sources(state: State) -> list[Answer]:
    """List the venues as sources: connected, latency, newest event, messages, errors."""
    return _faces(state).system.sources()


@get("/api/websocket/active-source", tags=["sources"])
async def active_source(state: State, id: MaybeSymbol = None) -> Answer:
    """Say which venue is followed since when: by most consolidated instruments, or by one."""
    faces = _faces(state)
    return faces.system.active_source(await faces.ask(_symbol, id) if id is not None else None)


@get("/api/v1/consolidated", tags=["consolidated"])
async def listed(state: State) -> Answer:
    """List what is consolidated: the active source of each, and how every source does."""
    began = time.perf_counter()
    return plain_listing(_faces(state).system.consolidated(), ["memory"], began=began)


@get("/api/v1/consolidated/candles", tags=["consolidated"])
async def candles(
    state: State,
    id: Symbol,
    timeframe: Annotated[str, Parameter(description="1m to 1440m, 1h to 24h, 1d, 1w.")],
    start: Start = None,
    end: End = None,
    last: Annotated[int | None, Parameter(description="The last N closed bars.", ge=1)] = None,
    live: Annotated[bool, Parameter(description="Add the forming bar.")] = False,
    grid: Annotated[str, Parameter(description="midnight or epoch.")] = "midnight",
    as_of: AsOf = None,
    epoch: Epoch = None,
) -> Answer:
    """List consolidated candles, each minute of one source, which it names; a range of more than 5,000 names `next`."""
    frame = timeframe_of(timeframe, grid)
    one_of(epoch, "epoch", EPOCHS)
    begin, until, at = *span_of(start, end), moment_of(as_of, "as_of")
    count = bars_asked(frame, last, most=MOST_BARS, start=start, end=end)
    return await _faces(state).ask(
        then(_candles, at), id, frame, start=begin, end=until, last=count, live=live, epoch=epoch
    )


@get("/api/v1/consolidated/trades", tags=["consolidated"])
async def trades(
    state: State,
    id: Symbol,
    start: Start = None,
    end: End = None,
    first: Annotated[str | None, Parameter(description="Where to go on: `next` of the page before.")] = None,
    limit: Annotated[int, Parameter(description="How many trades at most, up to 10,000.")] = 1_000,
    as_of: AsOf = None,
    epoch: Epoch = None,
) -> Answer:
    """List the consolidated tape from a time on, each trade with its source; `next` continues."""
    one_of(epoch, "epoch", EPOCHS)
    begin, until, at = *span_of(start, end), moment_of(as_of, "as_of")
    at_most(limit, "limit", MOST_TRADES)
    return await _faces(state).ask(then(_trades, at), id, start=begin, end=until, first=first, limit=limit, epoch=epoch)


@get("/api/v1/consolidated/price", tags=["consolidated"])
async def price(
    state: State,
    id: Symbol,
    resolution: Annotated[
        str | None, Parameter(description="primary, latest or average; by default as it is set.")
    ] = None,
) -> Answer:
    """Give one price: of the active source, the latest, or an average without outliers; volume is not mixed."""
    one_of(resolution, "resolution", get_args(Resolution))
    faces = _faces(state)
    return faces.system.price(await faces.ask(_symbol, id), resolution)


@get("/api/v1/consolidated/switches", tags=["consolidated"])
async def switches(state: State, id: MaybeSymbol = None, epoch: Epoch = None) -> Answer:
    """List every switch to another source (of one instrument), oldest first."""
    one_of(epoch, "epoch", EPOCHS)
    return await _faces(state).ask(_switches, id, epoch=epoch)


def _candles(
    market: Market, text: str, timeframe: Timeframe, *, start: int | None, end: int | None, last: int | None,
    live: bool, epoch: str | None,
) -> Answer:  # fmt: skip
    whole = consolidated(market, text)
    most = bars_at_most(timeframe, MOST_BARS)
    oldest, closed = whole.oldest(), whole.closed_until()
    beyond = closed - 1 if end is None else min(closed, end) - 1
    after = None if start is None or oldest is None else cut_after(timeframe, max(start, oldest), beyond, most=most)
    answer = whole.candles(
        timeframe, start=start, end=end if after is None else after, last=(last or most) if start is None else None,
        live=live and after is None,
    )  # fmt: skip
    body = listing(answer, consolidated_rows(answer, epoch=epoch), epoch=epoch)
    return {"id": whole.symbol, **body, "next": None if after is None else in_epoch(after, epoch)}


def _trades(
    market: Market, text: str, *, start: int | None, end: int | None, first: str | None, limit: int, epoch: str | None
) -> Answer:
    whole = consolidated(market, text)
    answer = whole.trades(start=start, end=end, first=first, limit=limit)
    return {"id": whole.symbol, **trades_listing(answer, epoch=epoch)}


def _switches(market: Market, text: str | None, *, epoch: str | None) -> Answer:
    began = time.perf_counter()
    turns = turns_of(market.reader, None if text is None else _symbol(market, text))
    return plain_listing([switch_row(turn, epoch=epoch) for turn in turns if turn.switches], ["store"], began=began)


def _symbol(market: Market, text: str) -> str:
    return consolidated(market, text).symbol


def _faces(state: State) -> Faces:
    faces: Faces = state.faces
    return faces


ROUTES = [source_health, sources, active_source, listed, candles, trades, price, switches]
