"""coinbase-advanced-py, unmodified: REST and WebSocket of a simulator, what it got as one line of JSON.

usage: advanced_py.py HOST [KEY_NAME PEM_FILE]
"""

import json
import sys
import threading
from pathlib import Path

from coinbase.rest import RESTClient
from coinbase.websocket import WSClient

PATIENCE_S = 20
TRADES = 40
CHANNELS = ["heartbeats", "market_trades", "level2", "ticker", "candles"]
EXPECTED = {"heartbeats", "market_trades", "l2_data", "ticker", "candles", "subscriptions"}


def streamed(url: str, key: dict[str, str]) -> list[dict]:
    frames, enough, lacking, told = [], threading.Event(), set(EXPECTED), 0

    def on_message(text: str) -> None:
        nonlocal told
        frame = json.loads(text)
        frames.append(frame)
        lacking.discard(frame.get("channel"))
        if frame.get("channel") == "market_trades":
            told += sum(len(event["trades"]) for event in frame["events"] if event["type"] == "update")
        if frame.get("type") == "error" or (told >= TRADES and not lacking):
            enough.set()

    client = WSClient(base_url=url, on_message=on_message, retry=False, **key)
    client.open()
    client.subscribe(product_ids=["BTC-USD", "ETH-USD"], channels=CHANNELS)
    enough.wait(PATIENCE_S)
    client.unsubscribe_all()  # who still has frames to read when it closes waits ten seconds for the answer
    client.close()
    return frames


def main() -> None:
    host, *rest = sys.argv[1:]
    key = {"api_key": rest[0], "api_secret": Path(rest[1]).read_text()} if rest else {}
    client = RESTClient(base_url=host)
    now = int(client.get_unix_time().epoch_seconds)
    print(
        json.dumps(
            {
                "frames": streamed(f"wss://{host}", key),
                "products": [row.product_id for row in client.get_public_products().products],
                "candles": client.get_public_candles("BTC-USD", str(now - 600), str(now), "ONE_MINUTE").to_dict(),
                "trades": client.get_public_market_trades("BTC-USD", limit=100).to_dict(),
                "book": client.get_public_product_book("BTC-USD", limit=3).to_dict(),
            }
        )
    )


if __name__ == "__main__":
    main()
