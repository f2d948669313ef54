"""The instruments of the synthetic market: spot pairs, linear and inverse swaps, a dated future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from gapless.sim.errors import SimError
from gapless.sim.market import Contract, Market, Symbol
from gapless.sim.synthetic.listing import Coin, Listing, blocks_of, coin
from gapless.sim.synthetic.market import market_of, symbol_of

SPOT, SWAP, FUTURES = "SPOT", "SWAP", "FUTURES"
FIRST = (
    ("BTC", SPOT),
    ("BTC", SWAP),
    ("ETH", SPOT),
    ("ETH", SWAP),
    ("BTC", "INVERSE"),
    ("BTC", FUTURES),
)  # then every further coin, as a swap and on spot
COINS = {coin(rank).base: rank for rank in range(10)}
VALUES = {"BTC": "0.01", "ETH": "0.1", "XRP": "100", "BNB": "0.01", "DOGE": "1000", "ADA": "100"}  # else 1
INVERSE_DOLLARS = 100
LINEAR_DIGITS = 2  # lotSz 0.01
SETTLED_AT = timedelta(hours=8)
LEAST_LIFE = timedelta(days=14)


def chosen(index: int) -> tuple[int, str]:
    """Returns coin and form of the instrument of a rank."""
    if index < len(FIRST):
        base, form = FIRST[index]
        return COINS[base], form
    rank, second = divmod(index - len(FIRST), 2)
    return rank + 2, SPOT if second else SWAP


def expiry(began_ms: int) -> datetime:
    """Returns the last Friday of a quarter, at 08:00 UTC, that is far enough away."""
    at = datetime.fromtimestamp(began_ms / 1000, UTC) + LEAST_LIFE
    while True:
        month = (at.month - 1) // 3 * 3 + 4
        end = datetime(at.year + (month > 12), (month - 1) % 12 + 1, 1, tzinfo=UTC) - timedelta(days=1)
        friday = end - timedelta(days=(end.weekday() - 4) % 7) + SETTLED_AT
        if friday > at:
            return friday
        at = end + timedelta(days=1)


def _contract(it: Coin, form: str, began_ms: int) -> Contract | None:
    if form == SPOT:
        return None
    if form == "INVERSE":
        return Contract(SWAP, INVERSE_DOLLARS, 0, inverse=True)
    value = Decimal(VALUES.get(it.base, "1"))
    digits = -int(value.as_tuple().exponent)
    until = int(expiry(began_ms).timestamp()) * 1000 if form == FUTURES else None
    return Contract(form, int(value.scaleb(digits)), digits, expires_ms=until)


def _item(it: Coin, rank: int, index: int, form: str, contract: Contract | None, name: str | None) -> Listing:
    """Lays an instrument out: its lot is the coin's, counted in its own steps."""
    lot, digits, quote = it.lot, it.size_digits, "USDT"
    ending = ""
    if contract is not None and contract.inverse:
        quote, digits = "USD", 0
        lot = it.lot * it.middle // 10 ** (it.price_digits + it.size_digits) // contract.value
    elif contract is not None:
        digits = LINEAR_DIGITS
        lot = it.lot * 10 ** (contract.digits + digits) // (contract.value * 10**it.size_digits)
    if contract is not None and contract.expires_ms is not None:
        ending = f"-{datetime.fromtimestamp(contract.expires_ms / 1000, UTC):%y%m%d}"
    elif contract is not None:
        ending = "-SWAP"
    base = it.base if name is None else name.partition("-")[0]
    return Listing(
        name or f"{base}-{quote}{ending}",
        base,
        it.price_digits,
        it.tick,
        digits,
        it.middle,
        max(lot, 1),
        blocks_of(index),
        quote=quote,
        rank=rank,
    )


class Markets:
    """Markets of instruments such as BTC-USDT and BTC-USDT-SWAP."""

    def synthetic(self, seed: int, instruments: int, at_ms: int | None) -> Market:
        """Builds a synthetic market."""

        def make(index: int, began_ms: int, name: str | None) -> Symbol:
            rank, form = chosen(index)
            if name is not None:
                form = SWAP if name.endswith("-SWAP") else SPOT
            contract = _contract(coin(rank), form, began_ms)
            symbol = symbol_of(_item(coin(rank), rank, index, form, contract, name), seed, index, began_ms)
            symbol.contract = contract
            return symbol

        return market_of(make, seed, instruments, at_ms)

    def captured(self, paths: Sequence[Path]) -> Market:
        """Refuses: recordings of OKX are not read."""
        raise SimError("captures of okx cannot be played; leave out --capture and take the synthetic market")

    def listable(self, name: str) -> str | None:
        """Returns what is wrong with the name of an instrument to be listed, or None."""
        base, _, rest = name.partition("-")
        fits = base.isalnum() and base.isupper() and rest in ("USDT", "USDT-SWAP")
        return None if fits else f"{name!r} is no instrument such as NEW-USDT or NEW-USDT-SWAP"
