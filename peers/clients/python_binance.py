"""python-binance: one multiplex socket with a queue that nothing can outrun, opened again when it ends."""

import asyncio

from binance import AsyncClient, BinanceSocketManager

from peers.clients.record import begin


async def main() -> None:
    """Receive until the process is ended."""
    record, url, symbols = begin("python-binance")
    client = AsyncClient()
    client.FUTURES_URL = f"{url}/fapi"
    manager = BinanceSocketManager(client, max_queue_size=1_000_000)
    manager.FSTREAM_URL = url.replace("http", "ws") + "/"
    streams = [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in ("aggTrade", "kline_1m")]
    while True:
        try:
            async with manager.futures_multiplex_socket(streams) as socket:
                while True:
                    message = await socket.recv()
                    if message.get("e") == "error":
                        record.told(message.get("type", "error"), message.get("m"))
                    elif "data" in message:
                        record.message(message["data"])
        except Exception as error:
            record.told(type(error).__name__, error)
            await asyncio.sleep(0.1)


asyncio.run(main())
