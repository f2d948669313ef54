"""unicorn-binance-websocket-api: one multiplex stream with a callback, restarted by its manager."""

import json
import time
from typing import Any

from unicorn_binance_websocket_api import BinanceWebSocketApiManager

from peers.clients.record import Record, begin

LOSSES = ("DISCONNECT", "STOP", "STREAM_UNREPAIRABLE")


def run(lines: int) -> None:
    """Run so many identical streams until the process is ended; what a second one repeats is left out by its id."""
    record, url, symbols = begin("unicorn-binance-websocket-api")
    seen: set[tuple[str, int]] = set()
    manager = manager_at(url, record)

    def received(text: str, *_: object) -> None:
        try:
            message = json.loads(text).get("data")
        except ValueError:
            return  # it hands over what came, as it came
        if message is None:
            return
        if lines > 1 and message["e"] == "aggTrade":
            key = (message["s"], message["a"])
            if key in seen:
                return
            seen.add(key)
        record.message(message)

    markets = [symbol.lower() for symbol in symbols]
    for _ in range(lines):
        manager.create_stream(["aggTrade", "kline_1m"], markets, process_stream_data=received)
    while True:
        time.sleep(1)


def manager_at(url: str, record: Record) -> Any:
    """Make the manager with nothing but its address changed; its signals are kept."""

    def signalled(signal_type: str = "", error_msg: object = "", **_: object) -> None:
        if signal_type in LOSSES:
            record.told(signal_type, error_msg)

    return BinanceWebSocketApiManager(
        exchange="binance.com-futures", websocket_base_uri=url.replace("http", "ws") + "/", warn_on_update=False,
        process_stream_signals=signalled, disable_colorama=True,
    )  # fmt: skip


if __name__ == "__main__":
    run(1)
