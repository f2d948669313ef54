"""Endpoints of the older App API on the same host, which clients ask before they ask for a market: /v2."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from gapless.sim.coinbase.day import last_execution
from gapless.sim.coinbase.products import Products
from gapless.sim.coinbase.texts import nano_text
from gapless.sim.market import Market
from gapless.sim.requests import one
from gapless.sim.synthetic.hashes import key_of
from gapless.sim.venue import Ask, Endpoint

FIAT = {"USD": "US Dollar"}
RATE_DIGITS = 16


def _reply(data: Any) -> str:
    return msgspec.json.encode({"data": data}).decode()


def endpoints(market: Market, market_ms: Callable[[], int]) -> dict[str, Endpoint]:
    """Returns time, currencies and exchange rates by path."""
    products = Products(market, market_ms)

    def time(ask: Ask) -> str:
        seconds = ask.server_ms // 1000
        return _reply({"iso": nano_text(seconds * 10**9), "epoch": seconds})

    def fiat(ask: Ask) -> str:
        return _reply([{"id": code, "name": name, "min_size": "0.01"} for code, name in FIAT.items()])

    def crypto(ask: Ask) -> str:
        return _reply(
            [
                {
                    "asset_id": f"{key_of(i, 83):016x}",
                    "code": symbol.base,
                    "name": symbol.base,
                    "color": "#0433FF",
                    "sort_index": 100 + i,
                    "exponent": symbol.size.digits,
                    "type": "crypto",
                    "address_regex": "",
                }
                for i, symbol in enumerate(products.listed())
            ]
        )

    def rates(ask: Ask) -> str:
        found = dict.fromkeys(FIAT, "1.0")
        for symbol in products.listed():
            last = last_execution(symbol, ask.now)
            if len(last):
                price = Decimal(int(last.price[0])).scaleb(-symbol.price.digits)
                found[symbol.base] = f"{1 / price:.{RATE_DIGITS}f}"
        return _reply({"currency": "USD", "rates": found})

    return {
        "/v2/time": Endpoint("time", one, time, clock=True),
        "/v2/currencies": Endpoint("currencies", one, fiat),
        "/v2/currencies/crypto": Endpoint("currencies", one, crypto),
        "/v2/exchange-rates": Endpoint("rates", one, rates, data=True),
    }
