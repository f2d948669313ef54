"""Instruments and stream names of Coinbase: `channel:PRODUCT` on either surface."""

import re
from collections.abc import Sequence

import msgspec

from gapless.errors import BadNumber
from gapless.model import Instrument
from gapless.model.instrument import Status
from gapless.model.number import digits_of, scaled
from gapless.venues.coinbase.limits import GROUPS
from gapless.venues.coinbase.wire import AdvancedProduct, AdvancedProducts, Increments
from gapless.venues.spec import Stream, StreamKind

_PRODUCTS = msgspec.json.Decoder(list[Increments])
_ADVANCED = msgspec.json.Decoder(AdvancedProducts)
_PRODUCT = re.compile(r"[A-Z0-9]+(?:-[A-Z0-9]+)+")

EXCHANGE: dict[StreamKind, str] = {
    "trade": "matches",
    "heartbeat": "heartbeat",
    "ticker": "ticker",
    "depth": "level2_batch",
    "status": "status",
}
ADVANCED: dict[StreamKind, str] = {
    "trade": "market_trades",
    "heartbeat": "heartbeats",
    "ticker": "ticker",
    "depth": "level2",
    "status": "status",
}
ACKNOWLEDGED = {"level2_50": "level2_batch"}  # channels that are acknowledged under another name
_AT_LARGE = ("heartbeats", "status")  # channels without products


def stream(instrument: Instrument, kind: StreamKind, channels: dict[StreamKind, str]) -> Stream:
    """Name the stream that carries a kind of event of an instrument."""
    return Stream(f"{channels[kind]}:{instrument.symbol}", instrument.id, kind, GROUPS[kind])


def at_large(kind: StreamKind, group: str, channels: dict[StreamKind, str]) -> Stream:
    """Name a stream that speaks of no single instrument."""
    return Stream(channels[kind], "", kind, group)


def by_channel(names: Sequence[str]) -> dict[str, list[str]]:
    """Lay stream names out by channel, with the products of each."""
    found: dict[str, list[str]] = {}
    for name in names:
        channel, _, product = name.partition(":")
        found.setdefault(channel, []).extend([product] if product else [])
    return found


def acknowledged(channel: str, products: list[str] | None) -> tuple[str, ...]:
    """Name the streams that an acknowledgement lists as a channel with its products."""
    name = ACKNOWLEDGED.get(channel, channel)
    return (name,) if name in _AT_LARGE else tuple(f"{name}:{product}" for product in products or ())


def refused(text: str, channels: dict[StreamKind, str]) -> tuple[str, ...]:
    """Name the streams that an error may speak of: those of the product that it names, none where it names none."""
    product = _PRODUCT.search(text)
    return tuple(f"{channel}:{product[0]}" for channel in channels.values()) if product else ()


def exchange_instruments(body: bytes, venue: str) -> list[Instrument]:
    """Read `/products`; what has no usable increments is left out."""
    return [
        found
        for one in _PRODUCTS.decode(body)
        if (
            found := _instrument(
                venue, one.id, (one.base_currency, one.quote_currency), one.quote_increment, one.base_increment,
                state(one.status, disabled=one.trading_disabled),
            )
        )
    ]  # fmt: skip


def advanced_products(body: bytes) -> list[AdvancedProduct]:
    """Read `/market/products`, without those that are another name of one and bring its data."""
    return [one for one in _ADVANCED.decode(body).products if not one.alias]


def advanced_instruments(body: bytes, venue: str) -> list[Instrument]:
    """Read `/market/products`; what has no usable increments is left out."""
    return [
        found
        for one in advanced_products(body)
        if (
            found := _instrument(
                venue, one.product_id, (one.base_currency_id, one.quote_currency_id),
                one.price_increment or one.quote_increment, one.base_increment,
                state(one.status, disabled=one.trading_disabled or one.is_disabled),
            )
        )
    ]  # fmt: skip


def _instrument(
    venue: str, symbol: str, assets: tuple[str, str], tick: str, step: str, status: Status
) -> Instrument | None:
    digits = digits_of(tick), digits_of(step)
    try:
        least = scaled(tick, digits[0]), scaled(step, digits[1])
    except BadNumber:
        return None
    if min(least) <= 0:
        return None
    return Instrument(
        venue=venue, symbol=symbol, base=assets[0], quote=assets[1], kind="spot", price_digits=digits[0],
        size_digits=digits[1], tick=least[0], status=status,
    )  # fmt: skip


def state(text: str, *, disabled: bool = False) -> Status:
    """Read the state of a product."""
    if text == "delisted":
        return "delisted"
    return "trading" if text == "online" and not disabled else "halted"
