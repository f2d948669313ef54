"""Daily archive files of the synthetic market, as the venue publishes them the day after."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime

from gapless.sim.bars import DAY, MINUTE
from gapless.sim.binance.venue import Venue
from gapless.sim.changes import end_trading
from gapless.sim.market import Market, Symbol, quote_scale
from gapless.sim.rows import VOID, Series
from gapless.sim.synthetic.market import synthetic_symbol

PATTERN = re.compile(
    r"(?P<market>futures/um|spot)/daily/(?P<kind>aggTrades|trades|klines)/(?P<symbol>[A-Z0-9]+)/(?:1m/)?"
    r"(?P<name>(?P=symbol)-(?P<label>aggTrades|trades|1m)-(?P<day>\d{4}-\d\d-\d\d))\.zip(?P<check>\.CHECKSUM)?"
)
HEADERS = {
    "aggTrades": "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
    "trades": "id,price,qty,quote_qty,time,is_buyer_maker",
    "klines": "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore",
}
KEEP = 6
PART = 50_000
MICROSECONDS_FROM_MS = 1_735_689_600_000  # 2025-01-01: spot archives changed their unit

_files: OrderedDict[tuple[int | None, bool, str, int, int | None], bytes] = OrderedDict()
_lock = threading.Lock()


def archive_reply(market: Market, venue: Venue, path: str, now: int) -> bytes | None:
    """Returns a zip or its checksum line, or None where there is none: today, before history, of a capture."""
    found = PATTERN.fullmatch(path)
    if found is None or market.seed is None or (found["market"] == "spot") == venue.futures:
        return None
    if (found["label"] == "1m") != (found["kind"] == "klines") or found["symbol"] not in market.symbols:
        return None
    try:
        start = int(datetime.fromisoformat(found["day"]).replace(tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return None
    index = list(market.symbols).index(found["symbol"])
    symbol = market.symbols[found["symbol"]]
    began, ended = symbol.began_ms, symbol.ended_ms
    if start < began // DAY * DAY or start + DAY > now or (ended is not None and start > ended):
        return None
    if found["kind"] != "klines" and (symbol.forgotten_aggs or symbol.forgotten_fills or symbol.remembered_ms):
        return None
    with _lock:
        key = (market.seed, venue.futures, found["name"], began, ended)
        if key not in _files:
            # a twin built in this thread, so that the market's own caches are touched by one thread only
            twin = synthetic_symbol(market.seed, index, began, futures=venue.futures)
            if ended is not None:
                end_trading(twin, ended)
            _files[key] = _zipped(found["name"], _lines(twin, found["kind"], start, venue.futures))
            if len(_files) > KEEP:
                _files.popitem(last=False)
        data = _files[key]
    if found["check"]:
        return f"{hashlib.sha256(data).hexdigest()}  {found['name']}.zip\n".encode()
    return data


def _zipped(name: str, lines: Iterator[str]) -> bytes:
    """Packs lines into a zip that is the same whenever it is made."""
    buffer = io.BytesIO()
    member = zipfile.ZipInfo(f"{name}.csv", date_time=(2026, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "w", compresslevel=1) as archive, archive.open(member, "w") as file:
        for part in lines:
            file.write(part.encode())
    return buffer.getvalue()


def _lines(symbol: Symbol, kind: str, start: int, futures: bool) -> Iterator[str]:
    if futures:
        yield HEADERS[kind] + "\n"
    unit = 1 if futures or start < MICROSECONDS_FROM_MS else 1000
    if kind == "klines":
        yield from _bars(symbol, start, unit)
    elif kind == "aggTrades":
        yield from _events(symbol, symbol.aggs, start, unit, futures, aggregate=True)
    elif symbol.fills is not None:
        yield from _events(symbol, symbol.fills, start, unit, futures, aggregate=False)


def _bars(symbol: Symbol, start: int, unit: int) -> Iterator[str]:
    price, size, quote = symbol.price.text, symbol.size.text, quote_scale(symbol).text
    for minute in range(start, start + DAY, MINUTE):
        b = symbol.bars.bar("1m", minute, start + 2 * DAY)
        if b is not None:
            yield (
                f"{minute * unit},{price(b.open)},{price(b.high)},{price(b.low)},{price(b.close)},{size(b.volume)},"
                f"{(minute + MINUTE) * unit - 1},{quote(b.quote)},{b.trades},"
                f"{size(b.taker_volume)},{quote(b.taker_quote)},0\n"
            )


def _events(symbol: Symbol, series: Series, start: int, unit: int, futures: bool, *, aggregate: bool) -> Iterator[str]:
    price, size, quote = symbol.price.text, symbol.size.text, quote_scale(symbol).text
    words = ("false", "true") if futures else ("False", "True")
    tail = "\n" if futures else ",True\n"
    at, end = series.timed(start), series.timed(start + DAY)
    while at < end:
        rows = series.cut(at, min(at + PART, end))
        at += PART
        rows = rows.where(rows.flag != VOID)
        part = []
        for i, p, q, f, last, t, m in zip(
            rows.ids.tolist(),
            rows.price.tolist(),
            rows.qty.tolist(),
            rows.first.tolist(),
            rows.last.tolist(),
            rows.time.tolist(),
            rows.maker.tolist(),
            strict=True,
        ):
            middle = f"{f},{last}" if aggregate else quote(p * q)
            part.append(f"{i},{price(p)},{size(q)},{middle},{t * unit},{words[m]}{tail}")
        yield "".join(part)
