"""exchangeInfo: instruments with their digits, steps and limits."""

from __future__ import annotations

from typing import Any

from gapless.sim.binance.venue import Venue
from gapless.sim.market import Symbol

PERPETUAL_DELIVERY_MS = 4_133_404_800_000


def exchange_info(venue: Venue, symbols: list[Symbol], now: int) -> dict[str, Any]:
    """Builds the reply of the venue for its symbols."""
    weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": venue.weight_limit}
    head: dict[str, Any] = {"timezone": "UTC", "serverTime": now}
    if venue.futures:
        orders = {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200}
        quotes = sorted({symbol.quote for symbol in symbols})
        assets = [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"} for asset in quotes]
        rows = [_futures(symbol) for symbol in symbols]
        return {
            **head,
            "futuresType": "U_MARGINED",
            "rateLimits": [weight, orders],
            "exchangeFilters": [],
            "assets": assets,
            "symbols": rows,
        }
    raw = {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000}
    return {
        **head,
        "rateLimits": [weight, raw],
        "exchangeFilters": [],
        "symbols": [_spot(symbol) for symbol in symbols],
    }


def _filters(symbol: Symbol) -> list[dict[str, Any]]:
    price, size = symbol.price.plain, symbol.size.plain
    step = size(symbol.step)
    most = 10**9
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": price(symbol.tick),
            "maxPrice": price(symbol.tick * most),
            "tickSize": price(symbol.tick),
        },
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": size(symbol.step * most), "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": size(symbol.step * most), "stepSize": step},
    ]


def _futures(symbol: Symbol) -> dict[str, Any]:
    return {
        "symbol": symbol.name,
        "pair": symbol.name,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": symbol.began_ms,
        "status": "TRADING" if symbol.ended_ms is None else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.base,
        "quoteAsset": symbol.quote,
        "marginAsset": symbol.quote,
        "pricePrecision": symbol.price.digits,
        "quantityPrecision": symbol.size.digits,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            *_filters(symbol),
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _spot(symbol: Symbol) -> dict[str, Any]:
    return {
        "symbol": symbol.name,
        "status": "TRADING" if symbol.ended_ms is None else "BREAK",
        "baseAsset": symbol.base,
        "baseAssetPrecision": 8,
        "quoteAsset": symbol.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            *_filters(symbol),
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
    }
