"""cryptofeed: one feed with callbacks; retries without end, and a watchdog of 10 s instead of 120 s."""

import logging
from typing import Any

import cryptofeed.connection
from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, WebsocketEndpoint
from cryptofeed.defines import CANDLES, TRADES
from cryptofeed.exchanges import BinanceFutures

from peers.clients.record import Record, begin


class Told(logging.Handler):
    """Hands its warnings on: they are all that it says of a connection."""

    def __init__(self, record: Record) -> None:
        super().__init__(logging.WARNING)
        self._record = record

    def emit(self, record: logging.LogRecord) -> None:
        """Write one warning by its first words."""
        kind = str(record.msg).partition(": ")[2].partition(" %")[0].partition(",")[0]
        self._record.told(kind or "warning", record.getMessage())


def feed_at(url: str) -> type[Any]:
    """Make the feed's class with nothing but its addresses changed."""
    secure = cryptofeed.connection.connect

    def connect(address: str, **options: Any) -> Any:
        # it takes no address without TLS, and the simulator has none
        return secure(address.replace("wss://", "ws://", 1), **options)

    cryptofeed.connection.connect = connect

    class Simulated(BinanceFutures):  # type: ignore[misc]
        """The feed, on the simulator."""

        websocket_endpoints = [WebsocketEndpoint(url.replace("http", "wss"), options={"compression": None})]  # noqa: RUF012
        rest_endpoints = [RestEndpoint(url, routes=BinanceFutures.rest_endpoints[0].routes)]  # noqa: RUF012

    return Simulated


def main() -> None:
    """Run until the process is ended."""
    record, url, symbols = begin("cryptofeed")
    names = {f"{symbol.removesuffix('USDT')}-USDT-PERP": symbol for symbol in symbols}

    async def trade(row: Any, receipt: float) -> None:
        record.trade(
            names[row.symbol], int(row.id), str(row.price), str(row.amount), round(row.timestamp * 1000),
            maker=row.side == "sell",
        )  # fmt: skip

    async def candle(row: Any, receipt: float) -> None:
        values = (row.open, row.high, row.low, row.close, row.volume)
        record.candle(names[row.symbol], round(row.start * 1000), *map(str, values))

    handler = FeedHandler(config={"log": {"disabled": True}})
    logging.getLogger("cryptofeed").addHandler(Told(record))
    handler.add_feed(
        feed_at(url)(
            symbols=list(names), channels=[TRADES, CANDLES], callbacks={TRADES: trade, CANDLES: candle},
            candle_interval="1m", candle_closed_only=True, retries=-1, timeout=10, timeout_interval=1,
        )
    )  # fmt: skip
    handler.run(install_signal_handlers=False)


main()
