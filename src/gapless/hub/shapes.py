"""Makes the events that are pushed of the values that we keep: floats of exact numbers, ms of ns. Pure functions."""

from math import isfinite

from msgspec import UNSET, UnsetType

from gapless.hub.events import MarketData, TickerUpdate, VolumeAlert
from gapless.model import MS, Instrument, Quote, Ticker, Trade
from gapless.model.instrument import squeeze
from gapless.model.signal import Fact, Judged

SPIKE = "volume_spike"


def ticker_update(instrument: Instrument, ticker: Ticker, quote: Quote | None) -> TickerUpdate | None:
    """Write a 24 h ticker; bid and ask are its own, else those of the newest quote. None where it names no price."""
    price = number(ticker.last)
    if price is None:
        return None
    bid, ask = sides(ticker, quote)
    return TickerUpdate(
        crypto=instrument.symbol,
        price=price,
        exchange=instrument.venue,
        bid=bid,
        ask=ask,
        volume_24h=number(ticker.volume),
        timestamp=ticker.time // MS,
    )


def sides(ticker: Ticker, quote: Quote | None) -> tuple[float | None, float | None]:
    """Give the best bid and ask, as a ticker has them, else as the newest quote does; None where nobody tells."""
    bid, ask = number(ticker.bid), number(ticker.ask)
    if quote is not None and bid is None:
        bid = number(quote.bid)
    if quote is not None and ask is None:
        ask = number(quote.ask)
    return bid, ask


def of_ticker(instrument: Instrument, ticker: Ticker, quote: Quote | None) -> MarketData | None:
    """Write a 24 h ticker as market data; its volume is that of 24 h, in units of the base."""
    price = number(ticker.last)
    if price is None:
        return None
    bid, ask = sides(ticker, quote)
    volume = number(ticker.volume)
    return MarketData(
        exchange=instrument.venue, symbol=joined(instrument), timestamp=ticker.time // MS, price=price,
        type="ticker", id=instrument.id, volume=_or_unset(volume), bid=_or_unset(bid), ask=_or_unset(ask),
    )  # fmt: skip


def of_trade(instrument: Instrument, trade: Trade, price_unit: int, size_unit: int) -> MarketData:
    """Write a trade as market data; a unit is what a scaled integer counts in one."""
    return MarketData(
        exchange=instrument.venue, symbol=joined(instrument), timestamp=trade.time // MS,
        price=trade.price / price_unit, type="trade", id=instrument.id, volume=trade.size / size_unit,
    )  # fmt: skip


def of_top(instrument: Instrument, time: int, price: float, bid: str, ask: str) -> MarketData:
    """Write the best bid and ask at a time (ns) as market data, beside the price of the last trade."""
    return MarketData(
        exchange=instrument.venue, symbol=joined(instrument), timestamp=time // MS, price=price, type="orderbook",
        id=instrument.id, bid=_or_unset(number(bid)), ask=_or_unset(number(ask)),
    )  # fmt: skip


def volume_alert(judged: Judged) -> VolumeAlert | None:
    """Write what began or ended an episode of volume; None for what says nothing new of one."""
    signal, values = judged.signal, judged.signal.values
    if signal.kind != SPIKE or judged.state != "found":
        return None
    venue, _, symbol = judged.instrument.partition(":")
    z, ended = values["z"], bool(values.get("ended"))
    return VolumeAlert(
        crypto=symbol, exchange=venue, price=float(signal.price), volume=_float(values["volume"]),
        baseline=_float(values["baseline"]), ratio=_float(values["ratio"]), threshold=_float(values["threshold"]),
        window_minutes=int(_float(values["window_minutes"])), z=None if z is None else _float(z),
        trades=int(_float(values["trades"])), timestamp=judged.end // MS,
        ended=True if ended else UNSET, peak=_float(values["peak"]) if ended else UNSET,
    )  # fmt: skip


def joined(instrument: Instrument) -> str:
    """Write a symbol as everybody does who has one venue only: BTCUSDT; with its date where it has one."""
    if instrument.kind == "future":
        return squeeze(instrument.symbol).upper()
    return instrument.base + instrument.quote


def number(text: str) -> float | None:
    """Read what a venue wrote; None where that is no number, or nothing."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _float(fact: Fact) -> float:
    return float(fact or 0)


def _or_unset(value: float | None) -> float | UnsetType:
    return UNSET if value is None else value
