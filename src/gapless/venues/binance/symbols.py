"""Instruments and stream names of Binance."""

import msgspec

from gapless.errors import BadNumber
from gapless.model import MS, Instrument
from gapless.model.instrument import Kind, Status
from gapless.model.number import digits_of, scaled
from gapless.venues.binance.limits import Market
from gapless.venues.binance.wire import ExchangeInfo, SymbolInfo
from gapless.venues.spec import Stream, StreamKind

_INFO = msgspec.json.Decoder(ExchangeInfo)
_FOREVER = 4_133_404_800_000  # the delivery date that Binance gives perpetuals, 2100-12-25

_QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "USD")

SUFFIX: dict[StreamKind, str] = {
    "agg": "@aggTrade",
    "trade": "@trade",
    "bars": "@kline_1m",
    "ticker": "@ticker",
    "quote": "@bookTicker",
    "depth": "@depth",
}


def instruments(body: bytes, market: Market) -> list[Instrument]:
    """Read exchangeInfo; symbols without a tick or step size are left out."""
    return [found for info in _INFO.decode(body).symbols if (found := _instrument(info, market))]


def _instrument(info: SymbolInfo, market: Market) -> Instrument | None:
    tick = next((f.tickSize for f in info.filters if f.filterType == "PRICE_FILTER"), "")
    step = next((f.stepSize for f in info.filters if f.filterType == "LOT_SIZE"), "")
    if not tick or not step:
        return None
    try:
        return _described(info, market, tick, step)
    except BadNumber:
        return None


def _described(info: SymbolInfo, market: Market, tick: str, step: str) -> Instrument:
    # Precision and tick size differ, and prices are written with the precision: "61800.30" on a tick of 0.10.
    price_digits = max(digits_of(tick), info.pricePrecision or 0 if market.padded is None else 0)
    size_digits = max(digits_of(step), info.quantityPrecision or 0 if market.padded is None else 0)
    perpetual = market.instrument_kind == "perpetual"
    kind: Kind = "spot" if not perpetual else "future" if _dated(info) else "perpetual"
    return Instrument(
        venue=market.name,
        symbol=info.symbol,
        base=info.baseAsset,
        quote=info.quoteAsset,
        kind=kind,
        price_digits=price_digits,
        size_digits=size_digits,
        tick=scaled(tick, price_digits),
        status=_status(info.status),
        listed=info.onboardDate * MS if info.onboardDate else None,
        delisted=info.deliveryDate * MS if info.deliveryDate and info.deliveryDate < _FOREVER else None,
    )


def bare(symbol: str, market: Market) -> Instrument:
    """Describe an instrument of which only the symbol is known: base and quote split at a usual quote asset."""
    symbol = symbol.replace("/", "").replace("-", "")
    quote = next((asset for asset in _QUOTES if symbol.endswith(asset) and symbol != asset), "")
    return Instrument(
        venue=market.name,
        symbol=symbol,
        base=symbol.removesuffix(quote) if quote else symbol,
        quote=quote,
        kind="spot" if market.instrument_kind == "spot" else "perpetual",
        price_digits=0,
        size_digits=0,
        tick=1,
    )


def _dated(info: SymbolInfo) -> bool:
    return info.contractType not in ("", "PERPETUAL", "TRADIFI_PERPETUAL")


def _status(text: str) -> Status:
    if text == "TRADING":
        return "trading"
    return "delisted" if text in ("SETTLING", "CLOSE", "DELIVERED", "END_OF_DAY") else "halted"


def stream(instrument: Instrument, kind: StreamKind, market: Market) -> Stream:
    """Name the stream that carries a kind of event of an instrument."""
    rate = market.depth_rate if kind == "depth" else ""
    return Stream(instrument.symbol.lower() + SUFFIX[kind] + rate, instrument.id, kind, market.groups[kind])
