"""ccxt pro: one `watch...ForSymbols` loop a kind, called again after every error, as its manual shows."""

import asyncio
from typing import Any

import ccxt.pro

from peers.clients.record import Record, begin


def exchange_at(url: str) -> Any:
    """Make the exchange, with nothing but its addresses changed and a cache that nothing can outrun."""
    exchange = ccxt.pro.binance(
        {
            "newUpdates": True,
            "options": {
                "fetchMarkets": {"types": ["linear"]}, "defaultType": "swap", "tradesLimit": 100_000,
                "OHLCVLimit": 10_000,
            },
        }
    )  # fmt: skip
    exchange.urls["api"]["fapiPublic"] = f"{url}/fapi/v1"
    exchange.urls["api"]["fapiPublicV2"] = f"{url}/fapi/v2"
    exchange.urls["api"]["ws"]["linear"] = url.replace("http", "ws") + "/ws"
    return exchange


async def trades(exchange: Any, record: Record, names: dict[str, str]) -> None:
    """Write every trade that it gives."""
    while True:
        try:
            found = await exchange.watch_trades_for_symbols(list(names), params={"name": "aggTrade"})
        except Exception as error:
            record.told(type(error).__name__, error)
            await asyncio.sleep(0)
            continue
        for row in found:
            record.trade(
                names[row["symbol"]], int(row["id"]), str(row["price"]), str(row["amount"]), row["timestamp"],
                maker=row["side"] == "sell",
            )  # fmt: skip


async def candles(exchange: Any, record: Record, names: dict[str, str]) -> None:
    """Write every state of a minute that it gives: it has no mark for a closed one."""
    while True:
        try:
            found = await exchange.watch_ohlcv_for_symbols([[name, "1m"] for name in names])
        except Exception as error:
            record.told(type(error).__name__, error)
            await asyncio.sleep(0)
            continue
        for name, frames in found.items():
            for start, *values in frames["1m"]:
                record.candle(names[name], int(start), *map(str, values))


async def main() -> None:
    """Watch until the process is ended."""
    record, url, symbols = begin("ccxt")
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: record.told("unhandled exception", f"{context.get('message')}: {context.get('exception')!r}")
    )
    exchange = exchange_at(url)
    await exchange.load_markets()
    names = {f"{symbol.removesuffix('USDT')}/USDT:USDT": symbol for symbol in symbols}
    await asyncio.gather(trades(exchange, record, names), candles(exchange, record, names))


asyncio.run(main())
