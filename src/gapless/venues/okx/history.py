"""What OKX answers by REST: requests with their price, pages with what they vouch for, refusals."""

from typing import TypeVar

import msgspec

from gapless.errors import UNREADABLE, GaplessError, Refused, Throttled, Unavailable
from gapless.model import MINUTE, MS, SECOND, Bar, Tape, Ticker, Trade
from gapless.venues.addresses import request_of
from gapless.venues.okx import parse
from gapless.venues.okx.limits import LIMITS, RECENT_BARS, WEIGHTS
from gapless.venues.okx.symbols import NAME
from gapless.venues.okx.wire import Answer, CandleRow, PageRow, Refusal, ServerTime, TickerRow
from gapless.venues.spec import Hosts, Ids, Mark, Page, Request

T = TypeVar("T")

_TRADES = msgspec.json.Decoder(Answer[PageRow], strict=False)
_CANDLES = msgspec.json.Decoder(Answer[CandleRow], strict=False)
_TICKERS = msgspec.json.Decoder(Answer[TickerRow], strict=False)
_TIME = msgspec.json.Decoder(Answer[ServerTime], strict=False)
_REFUSAL = msgspec.json.Decoder(Refusal)

_SLOWER = 2 * SECOND  # limits are counted over two seconds
_THROTTLED = frozenset({"50011"})
_TROUBLES = frozenset({"50001", "50004", "50005", "50013", "50026"})
_NEVER = {
    "50014": 400, "50039": 400, "51000": 400,  # a parameter that is wrong
    "51001": 404, "50047": 410,  # an instrument that does not exist, or that was settled
}  # fmt: skip


def request(hosts: Hosts, path: str, **query: object) -> Request:
    """Put a request together."""
    return request_of(hosts, f"/api/v5/{path}", WEIGHTS[path], query)


def trades_request(hosts: Hosts, tape: Tape, ids: Ids) -> Request:
    """Ask for the trades up to an id, backwards: a page ends with the last of the ids, or of those that there are."""
    limit = min(max(ids.last - ids.first + 1, 1), LIMITS.page_trades)
    asked = request(hosts, "market/history-trades", instId=_symbol(tape), type=1, after=ids.first + limit, limit=limit)
    return msgspec.structs.replace(asked, backward=True)


def trade_at_request(hosts: Hosts, tape: Tape, time: int) -> Request:
    """Ask for the last trade before a time, ns UTC."""
    return request(hosts, "market/history-trades", instId=_symbol(tape), type=2, after=-(-time // MS), limit=1)


def trade_at(body: bytes, time: int) -> Mark:
    """Read which id follows that of the last trade before the time asked for.

    Raises `Refused` where the venue names none: then it does not tell where the first one lies.
    """
    row = _first(_TRADES.decode(body), "no trade is known before that time")
    return row.tradeId + 1, time


def trades_page(body: bytes, tape: Tape, first: int | None, received: int) -> Page:
    """Read a page of trades, which are single ones whatever the tape; one of another instrument is a decoding error."""
    if not (found := _TRADES.decode(body).data):
        return Page([], None, None)
    if strange := {row.instId for row in found} - {_symbol(tape)}:
        raise msgspec.ValidationError(f"it has trades of {strange.pop()}")
    rows: list[Trade] = sorted(parse.trades(found, tape, received), key=lambda row: row.seq)
    return Page(rows, rows[0].seq if first is None else first, rows[-1].seq)


def bars_request(hosts: Hosts, symbol: str, start: int, end: int, now: int) -> Request:
    """Ask for the 1m bars that begin in [start, end), at most a page: both borders are told, for pages go backwards."""
    end = min(max(end, start + MINUTE), start + LIMITS.page_bars * MINUTE)
    recent = 0 < now <= start + RECENT_BARS * MINUTE
    return request(
        hosts, "market/candles" if recent else "market/history-candles",
        instId=symbol, bar="1m", before=start // MS - 1, after=end // MS, limit=(end - start) // MINUTE,
    )  # fmt: skip


def bars(body: bytes, tape: Tape) -> list[Bar]:
    """Read a page of candles: those that are closed, ascending."""
    rows = [parse.bar(row, tape) for row in _CANDLES.decode(body).data if row.confirm == "1"]
    return sorted(rows, key=lambda row: row.start)


def newest_request(hosts: Hosts, symbol: str) -> Request:
    """Ask for the newest trade of a symbol."""
    return request(hosts, "market/trades", instId=symbol, limit=1)


def newest(body: bytes) -> tuple[int, int]:
    """Read the newest execution id and its time, ns."""
    row = _first(_TRADES.decode(body), "it has never traded")
    return row.tradeId, row.ts * MS


def tickers(body: bytes) -> list[Ticker]:
    """Read the 24 h tickers of everything of a type that trades."""
    return [parse.ticker(row, f"{NAME}:{row.instId}") for row in _TICKERS.decode(body).data]


def server_time(body: bytes) -> int:
    """Read the venue's clock, ns UTC."""
    return _first(_TIME.decode(body), "it tells no time").ts * MS


def refusal(status: int, body: bytes) -> GaplessError | None:
    """Say what is wrong with a reply: its code tells, with whatever status of HTTP, and where it has none, the status.

    Limits are of two seconds and nothing tells how long to wait; there are no bans.
    """
    try:
        said = _REFUSAL.decode(body)
    except UNREADABLE:
        said = Refusal("0" if status == 200 else "", body[:200].decode(errors="replace"))
    if said.code in _TROUBLES:
        return Unavailable(f"the venue failed with HTTP {status}: {said.msg} ({said.code})")
    if status == 429 or said.code in _THROTTLED:
        return Throttled(_SLOWER)
    if status == 200 and said.code == "0":
        return None
    if status >= 500 or status in (403, 408):
        return Unavailable(f"the venue failed with HTTP {status}")
    code = int(said.code) if said.code.isascii() and said.code.isdigit() else 0
    return Refused(_NEVER.get(said.code, status), code, said.msg)


def _first(answer: Answer[T], missing: str) -> T:
    if not answer.data:
        raise Refused(404, 0, missing)
    return answer.data[0]


def _symbol(tape: Tape) -> str:
    return tape.instrument.partition(":")[2]
