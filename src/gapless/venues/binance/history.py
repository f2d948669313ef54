"""What Binance answers by REST: requests with their weights, pages with what they vouch for, refusals."""

import re
from email.utils import parsedate_to_datetime

import msgspec
from msgspec.structs import replace

from gapless.errors import UNREADABLE, Banned, GaplessError, Refused, Throttled, Unavailable
from gapless.model import MINUTE, MS, SECOND, Bar, Tape, Ticker, Trade
from gapless.model.book import DepthSnapshot
from gapless.model.number import scaled, wide
from gapless.venues.addresses import request_of
from gapless.venues.binance.limits import Market, bars_weight
from gapless.venues.binance.wire import (
    AggRow,
    Announced,
    DepthReply,
    KlineRow,
    Refusal,
    ServerTime,
    TickerRow,
    TradeRow,
)
from gapless.venues.quantities import bounded, levels
from gapless.venues.spec import Hosts, Mark, Page, Request

_AGGS = msgspec.json.Decoder(list[AggRow])
_TRADES = msgspec.json.Decoder(list[TradeRow])
_KLINES = msgspec.json.Decoder(list[KlineRow])
_TICKER = msgspec.json.Decoder(TickerRow)
_TICKERS = msgspec.json.Decoder(list[TickerRow])
_DEPTH = msgspec.json.Decoder(DepthReply)
_TIME = msgspec.json.Decoder(ServerTime)
_ANNOUNCED = msgspec.json.Decoder(Announced)
_REFUSAL = msgspec.json.Decoder(Refusal)
_BANNED_UNTIL = re.compile(rb"banned until (\d{13})")
_UNSTATED_BAN = 2 * MINUTE  # the shortest ban that Binance gives


def request(hosts: Hosts, market: Market, path: str, weight: int, **query: object) -> Request:
    """Put a request together."""
    return request_of(hosts, f"{market.api}/{path}", weight, query)


def trades_request(hosts: Hosts, market: Market, tape: Tape, first: int, last: int, *, keyed: bool) -> Request:
    """Ask for trades from id `first` on: by id, because a page can split inside one millisecond.

    Single trades of USD-M need a key; without one the newest 1,000 are all there is, and only asked for when
    they can reach.
    """
    symbol = tape.instrument.partition(":")[2]
    count = max(last - first + 1, 1)
    if tape.kind == "agg":
        limit = min(count, market.limits.page_trades)
        return request(hosts, market, "aggTrades", market.agg_weight, symbol=symbol, fromId=first, limit=limit)
    if keyed or market.recent_keyless:
        limit = min(count, market.history_page)
        asked = request(
            hosts, market, "historicalTrades", market.history_weight, symbol=symbol, fromId=first, limit=limit
        )
        return replace(asked, keyed=not market.recent_keyless)
    return replace(request(hosts, market, "trades", market.recent_weight, symbol=symbol, limit=1_000), by_id=False)


def trade_at_request(hosts: Hosts, market: Market, tape: Tape, time: int) -> Request | None:
    """Ask for the first aggregate at or after a time (ns); single trades cannot be found by time."""
    if tape.kind != "agg":
        return None
    symbol = tape.instrument.partition(":")[2]
    return request(hosts, market, "aggTrades", market.agg_weight, symbol=symbol, startTime=-(-time // MS), limit=1)


def trade_at(body: bytes) -> Mark | None:
    """Read the id and the time of the first aggregate at or after a time."""
    row = next(iter(_AGGS.decode(body)), None)
    return None if row is None else (row.a, row.T * MS)


def trades_page(body: bytes, tape: Tape, first: int | None, received: int) -> Page:
    """Read a page of trades: it vouches from the id asked for, else from its own first row, to its last row."""
    if tape.kind == "agg":
        rows = [_agg(row, tape, received) for row in _AGGS.decode(body)]
    else:
        rows = [_trade(row, tape, received) for row in _TRADES.decode(body)]
    rows.sort(key=lambda row: row.seq)
    if not rows:
        return Page([], None, None)
    return Page(rows, rows[0].seq if first is None else first, rows[-1].seq)


def _agg(row: AggRow, tape: Tape, received: int) -> Trade:
    price, size = scaled(row.p, tape.price_digits), scaled(row.q, tape.size_digits)
    bounded(price, size, tape)
    return Trade(row.a, row.T * MS, price, size, -1 if row.m else 1, row.l - row.f + 1, row.f, received)


def _trade(row: TradeRow, tape: Tape, received: int) -> Trade:
    price, size = scaled(row.price, tape.price_digits), scaled(row.qty, tape.size_digits)
    bounded(price, size, tape)
    return Trade(row.id, row.time * MS, price, size, -1 if row.isBuyerMaker else 1, 1, row.id, received)


def bars_request(hosts: Hosts, market: Market, symbol: str, start: int, end: int) -> Request:
    """Ask for the 1m bars that begin in [start, end), at most a page."""
    rows = min(max((end - start) // MINUTE, 1), market.limits.page_bars)
    return request(
        hosts, market, "klines", bars_weight(market, rows),
        symbol=symbol, interval="1m", startTime=start // MS, endTime=end // MS - 1, limit=rows,
    )  # fmt: skip


def bars(body: bytes, tape: Tape) -> list[Bar]:
    """Read a page of klines; they name no ids."""
    return [kline_row(row, tape) for row in _KLINES.decode(body)]


def kline_row(row: KlineRow, tape: Tape) -> Bar:
    """Read one row of klines."""
    p, s, q = tape.price_digits, tape.size_digits, tape.price_digits + tape.size_digits
    return Bar(
        row[0] * MS, scaled(row[1], p), scaled(row[2], p), scaled(row[3], p), scaled(row[4], p), scaled(row[5], s),
        wide(row[7], q), row[8], scaled(row[9], s), wide(row[10], q),
    )  # fmt: skip


def newest_request(hosts: Hosts, market: Market, symbol: str) -> Request:
    """Ask for the 24 h ticker of a symbol: the cheapest reply that names the newest execution id."""
    return request(hosts, market, "ticker/24hr", market.ticker_weight, symbol=symbol)


def newest(body: bytes) -> tuple[int, int]:
    """Read the newest execution id and the time of the summary, ns."""
    row = _TICKER.decode(body)
    return row.lastId, row.closeTime * MS


def tickers(body: bytes, market: Market) -> list[Ticker]:
    """Read the 24 h tickers of everything that trades."""
    return [
        Ticker(
            f"{market.name}:{row.symbol}", row.closeTime * MS, row.lastPrice, row.openPrice, row.highPrice,
            row.lowPrice, row.volume, row.quoteVolume, row.priceChangePercent, row.count, row.firstId, row.lastId,
        )
        for row in _TICKERS.decode(body)
    ]  # fmt: skip


def depth_request(hosts: Hosts, market: Market, symbol: str) -> Request:
    """Ask for a snapshot of the book."""
    return request(hosts, market, "depth", market.depth_weight, symbol=symbol, limit=market.depth_limit)


def depth_snapshot(body: bytes, tape: Tape, market: Market) -> DepthSnapshot:
    """Read a snapshot of the book."""
    reply = _DEPTH.decode(body)
    return DepthSnapshot(
        reply.lastUpdateId, reply.E * MS, levels(reply.bids, tape), levels(reply.asks, tape), market.depth_limit
    )


def server_time(body: bytes) -> int:
    """Read the venue's clock, ns UTC."""
    return _TIME.decode(body).serverTime * MS


def used_weight(headers: dict[str, str]) -> int | None:
    """Read the weight used in the current UTC minute."""
    text = headers.get("x-mbx-used-weight-1m", "")
    return int(text) if text.isdigit() and text.isascii() else None


def weight_limit(body: bytes) -> int | None:
    """Read the weight a minute that exchangeInfo announces; None where it announces none, or nonsense."""
    limits = [
        one.limit // one.intervalNum
        for one in _ANNOUNCED.decode(body).rateLimits
        if one.rateLimitType == "REQUEST_WEIGHT" and one.interval == "MINUTE" and one.intervalNum > 0
    ]
    return min((limit for limit in limits if limit > 0), default=None)


def refusal(status: int, headers: dict[str, str], body: bytes, venue_now: int) -> GaplessError | None:
    """Say what is wrong with a reply: 429 asks for less, 418 is a ban, 5xx a failure, other 4xx a no."""
    if status == 200:
        return None
    retry = headers.get("retry-after", "")
    wait = int(retry) * SECOND if retry.isdigit() and retry.isascii() else None
    if status == 418:
        if named := _BANNED_UNTIL.search(body):
            wait = max(int(named[1]) * MS - _server_time(headers, venue_now), wait or 0)
        return Banned(wait if wait is not None else _UNSTATED_BAN)
    if status == 429:
        return Throttled(wait)
    if status >= 500 or status in (202, 403, 408):
        return Unavailable(f"the venue failed with HTTP {status}")
    try:
        said = _REFUSAL.decode(body)
    except UNREADABLE:
        return Refused(status, 0, body[:200].decode(errors="replace"))
    return Refused(status, said.code, said.msg)


def _server_time(headers: dict[str, str], venue_now: int) -> int:
    """Read the reply's own time, ns UTC in whole seconds; the venue's clock as we know it where there is none."""
    try:
        return int(parsedate_to_datetime(headers["date"]).timestamp()) * SECOND
    except (KeyError, ValueError):
        return venue_now
