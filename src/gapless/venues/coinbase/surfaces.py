"""The two surfaces of Coinbase as tables: how each names, writes and reads."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from gapless.model import Bar, Environment, Instrument, Tape, TapeKind, Ticker, Trade
from gapless.model.book import DepthDiff, DepthSnapshot
from gapless.venues.coinbase import history, parse, symbols
from gapless.venues.coinbase.limits import ADVANCED, ADVANCED_HOSTS, EXCHANGE, EXCHANGE_HOSTS
from gapless.venues.spec import Grouped, Hosts, Ids, Limits, Page, Request, StreamKind, Token


class Surface(Struct, frozen=True, kw_only=True):
    """What the two differ in. `standing` are the channels that every connection carries beside its own.

    Paths are those of REST; `newest` stands for one product, named in it.
    """

    name: str
    limits: Limits
    hosts: dict[Environment, Hosts]
    tapes: dict[str, TapeKind]
    channels: dict[StreamKind, str]
    standing: tuple[StreamKind, ...]
    products: str
    time: str
    newest: str
    tickers: str
    write: Callable[[str, Sequence[str], Token], list[str]]
    group: Callable[[Iterable[bytes]], Grouped]
    trades: Callable[[Sequence[Any], Tape, int], list[Trade]]
    ticker: Callable[[Any, str], Ticker]
    depth: Callable[[Any, Tape], DepthDiff | DepthSnapshot]
    read_products: Callable[[bytes, str], list[Instrument]]
    read_time: Callable[[bytes], int]
    read_newest: Callable[[bytes], tuple[int, int]]
    read_tickers: Callable[[bytes, str], list[Ticker]]
    trades_request: Callable[[Hosts, Tape, Ids], Request]
    page: Callable[[bytes, Tape, int | None, int], Page]
    bars_request: Callable[[Hosts, str, int, int], Request]
    bars: Callable[[bytes, Tape], list[Bar]]


def _exchange_message(kind: str, names: Sequence[str], token: Token) -> list[str]:
    """Write one message, of several channels at once; nothing is signed."""
    channels = [
        {"name": channel, "product_ids": products} if products else channel
        for channel, products in symbols.by_channel(names).items()
    ]
    return [msgspec.json.encode({"type": kind, "channels": channels}).decode()]


def _advanced_messages(kind: str, names: Sequence[str], token: Token) -> list[str]:
    """Write a message for each channel, each with a token of its own where there is a key."""
    messages = []
    for channel, products in symbols.by_channel(names).items():
        message: dict[str, object] = {"type": kind, "channel": channel}
        message |= {"product_ids": products} if products else {}
        signed = token()
        message |= {"jwt": signed} if signed is not None else {}
        messages.append(msgspec.json.encode(message).decode())
    return messages


EXCHANGE_SURFACE = Surface(
    name="coinbase",
    limits=EXCHANGE,
    hosts=EXCHANGE_HOSTS,
    tapes={"matches": "trade"},
    channels=symbols.EXCHANGE,
    standing=(),
    products="/products",
    time="/time",
    newest="/products/{}/ticker",
    tickers="/products/stats",
    write=_exchange_message,
    group=parse.exchange_group,
    trades=parse.exchange_trades,
    ticker=parse.exchange_ticker,
    depth=parse.exchange_depth,
    read_products=symbols.exchange_instruments,
    read_time=history.exchange_time,
    read_newest=history.exchange_newest,
    read_tickers=history.exchange_tickers,
    trades_request=history.exchange_trades_request,
    page=history.exchange_page,
    bars_request=history.exchange_bars_request,
    bars=history.exchange_bars,
)


def advanced_surface(sides: str) -> Surface:
    """Describe Advanced Trade; `sides` says whose side its trades tell."""
    return Surface(
        name="coinbase-advanced",
        limits=ADVANCED,
        hosts=ADVANCED_HOSTS,
        tapes={"market_trades": "trade"},
        channels=symbols.ADVANCED,
        standing=("heartbeat",),
        products=f"{history.BROKERAGE}/market/products?product_type=SPOT",
        time=f"{history.BROKERAGE}/time",
        newest=f"{history.BROKERAGE}/market/products/{{}}/ticker?limit=1",
        tickers=f"{history.BROKERAGE}/market/products?product_type=SPOT",
        write=_advanced_messages,
        group=parse.advanced_group,
        trades=partial(parse.advanced_trades, sides=sides),
        ticker=parse.advanced_ticker,
        depth=parse.advanced_depth,
        read_products=symbols.advanced_instruments,
        read_time=history.advanced_time,
        read_newest=history.advanced_newest,
        read_tickers=history.advanced_tickers,
        trades_request=history.advanced_trades_request,
        page=partial(history.advanced_page, sides=sides),
        bars_request=history.advanced_bars_request,
        bars=history.advanced_bars,
    )
