"""The market of Coinbase: the same products, prices and trade ids on both surfaces for one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gapless.sim.coinbase.products import QUOTE
from gapless.sim.errors import SimError
from gapless.sim.market import Market, Symbol
from gapless.sim.synthetic.listing import Listing, listing
from gapless.sim.synthetic.market import market_of, symbol_of

FINE = 8  # digits of the sizes of what is dear
DEAR = 2  # digits that a size has elsewhere from which on a product is dear


def product(index: int, name: str | None = None) -> Listing:
    """Returns the product of a rank, or one of another name; what is dear has sizes of eight digits."""
    item = listing(index)
    base = name.rpartition("-")[0] if name is not None else item.base
    finer = FINE - item.size_digits if item.size_digits >= DEAR else 0
    return replace(
        item,
        name=f"{base}-{QUOTE}",
        base=base,
        quote=QUOTE,
        size_digits=item.size_digits + finer,
        lot=item.lot * 10**finer,
    )


class CoinbaseMarkets:
    """Builds the markets that both surfaces play."""

    def synthetic(self, seed: int, instruments: int, at_ms: int | None) -> Market:
        """Builds a synthetic market."""

        def make(index: int, began_ms: int, name: str | None) -> Symbol:
            return symbol_of(product(index, name), seed, index, began_ms)

        return market_of(make, seed, instruments, at_ms)

    def captured(self, paths: Sequence[Path]) -> Market:
        """Refuses: no recording of these venues is whole enough to make their REST replies from."""
        raise SimError("captures of Coinbase cannot be played; leave --capture out for its synthetic market")

    def listable(self, name: str) -> str | None:
        """Returns what is wrong with the name of a product to be listed, or None."""
        base, _, quote = name.partition("-")
        return None if base.isalnum() and quote == QUOTE else f"{name!r} is no product such as NEW-USD"
