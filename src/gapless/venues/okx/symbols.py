"""Instruments and stream names of OKX."""

from decimal import Decimal

import msgspec

from gapless.errors import BadNumber
from gapless.model import MS, Instrument
from gapless.model.instrument import Kind, Status
from gapless.model.number import digits_of, scaled
from gapless.venues.okx.limits import CHANNELS, GROUPS, TYPES
from gapless.venues.okx.wire import Answer, InstrumentRow
from gapless.venues.spec import Stream, StreamKind

NAME = "okx"
_ROWS = msgspec.json.Decoder(Answer[InstrumentRow])
_KINDS: dict[str, Kind] = dict(zip(TYPES, ("spot", "perpetual", "future"), strict=True))


def instruments(body: bytes) -> list[Instrument]:
    """Read instruments; those of other types, and those that have no tick or lot yet, are left out."""
    return [found for row in _ROWS.decode(body).data if (found := _instrument(row))]


def _instrument(row: InstrumentRow) -> Instrument | None:
    kind = _KINDS.get(row.instType)
    if kind is None or not row.tickSz or not row.lotSz:
        return None
    try:
        return _spot(row) if kind == "spot" else _contract(row, kind)
    except BadNumber:
        return None


def _spot(row: InstrumentRow) -> Instrument:
    price_digits = digits_of(row.tickSz)
    return Instrument(
        venue=NAME, symbol=row.instId, base=row.baseCcy, quote=row.quoteCcy, kind="spot", price_digits=price_digits,
        size_digits=digits_of(row.lotSz), tick=scaled(row.tickSz, price_digits), status=status(row.state),
        listed=_time(row.listTime),
    )  # fmt: skip


def _contract(row: InstrumentRow, kind: Kind) -> Instrument | None:
    inverse = row.ctType == "inverse"
    worth = _worth(row.ctVal, row.ctMult)
    if worth is None or not (inverse or row.ctType == "linear"):
        return None
    price_digits = digits_of(row.tickSz)
    return Instrument(
        venue=NAME, symbol=row.instId, base=row.settleCcy if inverse else row.ctValCcy,
        quote=row.ctValCcy if inverse else row.settleCcy, kind=kind, price_digits=price_digits,
        size_digits=_rounded_to(price_digits) if inverse else digits_of(row.lotSz) + digits_of(worth),
        tick=scaled(row.tickSz, price_digits), contract_size=worth, inverse=inverse, status=status(row.state),
        listed=_time(row.listTime), delisted=_time(row.expTime),
    )  # fmt: skip


def _rounded_to(price_digits: int) -> int:
    """Choose the digits to which inverse contracts are rounded: eight, less where a coin is worth little.

    So what a contract comes to has some five digits, whatever the coin, and a minute's volume fits into 64 bits.
    """
    return max(min(10 - price_digits, 8), 0)


def _worth(value: str, multiplier: str) -> str | None:
    """Multiply what a contract is worth by its multiplier, as plain decimal text; None where nobody tells."""
    if not value:
        return None
    digits = digits_of(value) + digits_of(multiplier)
    product = scaled(value, digits_of(value)) * scaled(multiplier or "1", digits_of(multiplier))
    return f"{Decimal(product).scaleb(-digits).normalize():f}" if product > 0 else None


def _time(text: str) -> int | None:
    return int(text) * MS if text.isdigit() and text.isascii() else None


def status(state: str) -> Status:
    """Read the state of an instrument."""
    if state == "live":
        return "trading"
    return "delisted" if state == "expired" else "halted"


def stream(instrument: Instrument, kind: StreamKind, channel: str) -> Stream:
    """Name the stream that carries a kind of event of an instrument, of its usual channel or of one that is named."""
    return Stream(f"{channel or CHANNELS[kind]}:{instrument.symbol}", instrument.id, kind, GROUPS[kind])


LISTED = tuple(Stream(f"instruments:{kind}", "", "status", "public") for kind in TYPES)
"""The streams that tell what is listed and what is traded no more."""


def argument(name: str) -> dict[str, str]:
    """Write what is asked for by the name of a stream."""
    channel, _, about = name.partition(":")
    return {"channel": channel, "instType" if channel == "instruments" else "instId": about}
