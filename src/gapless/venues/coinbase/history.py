"""What either surface answers by REST: requests, pages, refusals. Every request counts as one."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from urllib.parse import quote, urlencode

import msgspec

from gapless.errors import UNREADABLE, BadNumber, GaplessError, Refused, Throttled, Unavailable
from gapless.model import MINUTE, MS, SECOND, Bar, Tape, Ticker, Trade
from gapless.model.number import INT64, divided
from gapless.venues.coinbase.limits import EXCHANGE
from gapless.venues.coinbase.parse import advanced_trades, exchange_trades, instant
from gapless.venues.coinbase.symbols import advanced_products
from gapless.venues.coinbase.wire import (
    AdvancedCandles,
    AdvancedTime,
    AdvancedTrades,
    CandleRow,
    ExchangeTime,
    ExchangeTrade,
    LastTrade,
    Problem,
    Stats,
)
from gapless.venues.quantities import exact
from gapless.venues.spec import Hosts, Ids, Page, Request

BROKERAGE = "/api/v3/brokerage"
_TRADES = msgspec.json.Decoder(list[ExchangeTrade])
_CANDLES = msgspec.json.Decoder(list[CandleRow])
_LAST = msgspec.json.Decoder(LastTrade)
_STATS = msgspec.json.Decoder(dict[str, Stats])
_TIME = msgspec.json.Decoder(ExchangeTime)
_ADVANCED_TRADES = msgspec.json.Decoder(AdvancedTrades)
_ADVANCED_CANDLES = msgspec.json.Decoder(AdvancedCandles)
_ADVANCED_TIME = msgspec.json.Decoder(AdvancedTime)
_PROBLEM = msgspec.json.Decoder(Problem)
_LARGEST = 40  # digits: what has more is no number of a market
_LAST_SECOND = INT64 // SECOND
_REFILLED = SECOND  # a bucket that fills with ten a second has room again after so long


def request(hosts: Hosts, path: str, **query: object) -> Request:
    """Put a request together."""
    tail = "?" + urlencode(query) if query else ""
    return Request(f"{hosts.rest}{path}{tail}", 1)


def _product(tape: Tape) -> str:
    return quote(tape.instrument.partition(":")[2], safe="")


# Trades


def exchange_trades_request(hosts: Hosts, tape: Tape, ids: Ids) -> Request:
    """Ask for a page of trades that begins with id `ids.first`: pages are walked back by the cursor `after`."""
    count = min(max(ids.last - ids.first + 1, 1), EXCHANGE.page_trades)
    asked = request(hosts, f"/products/{_product(tape)}/trades", after=ids.first + count, limit=count)
    return Request(asked.url, asked.weight, backward=True)


def exchange_page(body: bytes, tape: Tape, first: int | None, received: int) -> Page:
    """Read a page of trades."""
    found = _TRADES.decode(body)
    return _page(exchange_trades(found, tape, received) if found else [], first)


def advanced_trades_request(hosts: Hosts, tape: Tape, ids: Ids) -> Request:
    """Ask for the newest trades between the rows held on either side: nothing but time can be asked for.

    Both ends are whole seconds and lie within what is asked for.
    """
    window: dict[str, object] = {"limit": EXCHANGE.page_trades}
    if ids.before is not None:
        window["start"] = ids.before[1] // SECOND
    if ids.after is not None:
        window["end"] = -(-ids.after[1] // SECOND)
    asked = request(hosts, f"{BROKERAGE}/market/products/{_product(tape)}/ticker", **window)
    return Request(asked.url, asked.weight, by_id=False)


def advanced_page(body: bytes, tape: Tape, first: int | None, received: int, sides: str) -> Page:
    """Read a page of trades."""
    found = _ADVANCED_TRADES.decode(body).trades
    return _page(advanced_trades(found, tape, received, sides) if found else [], first)


def _page(rows: list[Trade], first: int | None) -> Page:
    if not rows:
        return Page([], None, None)
    return Page(rows, rows[0].seq if first is None else first, rows[-1].seq)


def exchange_newest(body: bytes) -> tuple[int, int]:
    """Read the newest trade's id and time."""
    last = _LAST.decode(body)
    return last.trade_id, _time(last.time)


def advanced_newest(body: bytes) -> tuple[int, int]:
    """Read the newest trade's id and time; -1 where there is none."""
    rows = _ADVANCED_TRADES.decode(body).trades
    return max(((_number(row.trade_id), _time(row.time)) for row in rows), default=(-1, 0))


def _time(text: str) -> int:
    try:
        return instant(text)
    except BadNumber as error:
        raise msgspec.DecodeError(str(error)) from error


def _number(text: str) -> int:
    try:
        return exact([text], 0)[0]
    except BadNumber as error:
        raise msgspec.DecodeError(str(error)) from error


# Bars


def exchange_bars_request(hosts: Hosts, symbol: str, start: int, end: int) -> Request:
    """Ask for the 1m bars that begin in [start, end), at most a page."""
    first, last = _span(start, end)
    asked = request(hosts, f"/products/{quote(symbol, safe='')}/candles", granularity=60, start=first, end=last)
    return Request(asked.url, asked.weight, backward=True)


def _span(start: int, end: int) -> tuple[int, int]:
    """Give the first and the last second to ask for. Whether the last is in it nobody says: there is one bar more."""
    return start // SECOND, min(end, start + (EXCHANGE.page_bars + 1) * MINUTE) // SECOND


def exchange_bars(body: bytes, tape: Tape) -> list[Bar]:
    """Read a page of bars: they tell prices and volume, and leave minutes out in which nothing traded."""
    found = [
        _bar(start, (opened, high, low, close), volume, tape)
        for start, low, high, opened, close, volume in _CANDLES.decode(body)
    ]
    return sorted(found, key=lambda bar: bar.start)


def advanced_bars_request(hosts: Hosts, symbol: str, start: int, end: int) -> Request:
    """Ask for the 1m bars that begin in [start, end), at most a page."""
    (first, last), path = _span(start, end), f"{BROKERAGE}/market/products/{quote(symbol, safe='')}/candles"
    asked = request(hosts, path, start=first, end=last, granularity="ONE_MINUTE")
    return Request(asked.url, asked.weight, backward=True)


def advanced_bars(body: bytes, tape: Tape) -> list[Bar]:
    """Read a page of bars: they tell prices and volume, and leave minutes out in which nothing traded."""
    found = [
        _bar(int(_decimal(row.start)), (row.open, row.high, row.low, row.close), row.volume, tape)
        for row in _ADVANCED_CANDLES.decode(body).candles
    ]
    return sorted(found, key=lambda bar: bar.start)


def _bar(start: int, prices: Sequence[str | Decimal], volume: str | Decimal, tape: Tape) -> Bar:
    opened, high, low, close = (_price(_decimal(price), tape) for price in prices)
    return Bar(start * SECOND, opened, high, low, close, _volume(_decimal(volume), tape))


def _decimal(value: str | Decimal) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise BadNumber(f"{value!r} is no number") from error
    if not number.is_finite() or number < 0 or max(abs(number.adjusted()), len(number.as_tuple().digits)) > _LARGEST:
        raise BadNumber(f"{value} is no number of this kind")
    return number


def _price(value: Decimal, tape: Tape) -> int:
    units, whole = value.as_integer_ratio()
    price, rest = divmod(units * 10**tape.price_digits, whole)
    if rest:
        raise BadNumber(f"{value} has more than {tape.price_digits} digits after the point")
    return _fitting(price, value)


def _volume(value: Decimal, tape: Tape) -> int:
    """Read a sum that went through floats: to the digits that its parts have."""
    units, whole = value.as_integer_ratio()
    return _fitting(divided(units * 10**tape.size_digits, whole), value)


def _fitting(scaled: int, value: Decimal) -> int:
    if scaled > INT64:
        raise BadNumber(f"{value} does not fit into 64 bits")
    return scaled


# The rest


def exchange_time(body: bytes) -> int:
    """Read the Exchange's clock, ns UTC."""
    seconds = _TIME.decode(body).epoch
    if not seconds.is_finite() or not 0 <= seconds < _LAST_SECOND:
        raise msgspec.DecodeError(f"{seconds} is no time")
    return int(seconds * SECOND)


def advanced_time(body: bytes) -> int:
    """Read the clock of Advanced Trade, ns UTC."""
    millis = _number(_ADVANCED_TIME.decode(body).epoch_millis)
    if millis // 1_000 >= _LAST_SECOND:
        raise msgspec.DecodeError(f"{millis} ms is no time")
    return millis * MS


def exchange_tickers(body: bytes, venue: str) -> list[Ticker]:
    """Read the day of everything that trades; it names no time."""
    return [
        Ticker(f"{venue}:{name}", 0, day.last, day.open, day.high, day.low, day.volume, "", "", -1, -1, -1)
        for name, day in ((name, stats.stats_24hour) for name, stats in _STATS.decode(body).items())
    ]


def advanced_tickers(body: bytes, venue: str) -> list[Ticker]:
    """Read the day of everything that trades, as its products tell it; it names no time."""
    return [
        Ticker(
            f"{venue}:{one.product_id}", 0, one.price, "", "", "", one.volume_24h, one.approximate_quote_24h_volume,
            one.price_percentage_change_24h, -1, -1, -1,
        )
        for one in advanced_products(body)
    ]  # fmt: skip


def refusal(status: int, body: bytes) -> GaplessError | None:
    """Say what is wrong with a reply: 429 says that the bucket is empty, 5xx is a failure, other 4xx a no."""
    if status == 200:
        return None
    if status == 429:
        return Throttled(_REFILLED)
    if status >= 500 or status in (202, 403, 408):
        return Unavailable(f"the venue failed with HTTP {status}")
    try:
        said = _PROBLEM.decode(body)
    except UNREADABLE:
        return Refused(status, 0, body[:200].decode(errors="replace"))
    return Refused(status, 0, said.message or said.error)
