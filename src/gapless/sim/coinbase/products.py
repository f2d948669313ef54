"""Product names, and the products that a request or a subscription means."""

from __future__ import annotations

from collections.abc import Callable

from gapless.sim.market import Market, Symbol

QUOTE = "USD"
ALIAS = "USDC"  # on Advanced Trade a product of it is the book of the dollar


class Products:
    """Finds the products of a market; `market_ms` tells the market's time."""

    def __init__(self, market: Market, market_ms: Callable[[], int]) -> None:
        """Binds a market."""
        self._market = market
        self._market_ms = market_ms

    def listed(self) -> list[Symbol]:
        """Lists the products that the venue knows."""
        now = self._market_ms()
        return [symbol for symbol in self._market.symbols.values() if symbol.known(now)]

    def named(self, name: str) -> Symbol | None:
        """Returns a product by its own name."""
        symbol = self._market.symbols.get(name)
        return symbol if symbol is not None and symbol.known(self._market_ms()) else None

    def meant(self, name: str) -> Symbol | None:
        """Returns a product by its own name or by an alias of it."""
        own = self.named(name)
        base, _, quote = name.rpartition("-")
        return self.named(f"{base}-{QUOTE}") if own is None and quote == ALIAS else own

    def trouble(self, name: str) -> str | None:
        """Says why a product cannot be subscribed on the Exchange, or None."""
        symbol = self.named(name)
        if symbol is None:
            return f"{name} is not a valid product"
        return None if symbol.ended_ms is None else f"{name} is delisted"


def alias_of(symbol: Symbol) -> str | None:
    """Returns the other name of a dollar product."""
    return f"{symbol.base}-{ALIAS}" if symbol.quote == QUOTE else None
