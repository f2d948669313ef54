"""A paced feed: aggTrade frames of 40 symbols at a set rate, on many connections, each in an order of its own.

Message n is due at `began` + n / rate, whatever connection carries it, so that its age can be told from its id. Every
connection lags a random time behind, shuffles the messages of a moment, and carries the symbols of its path:
/FIRST-LAST. What is said to it is answered like a subscription.
"""

import asyncio
import base64
import hashlib
import json
import random
import sys
import time

from bench.feed import BASE_MS, SYMBOLS, framed, names

BASE_SEQ = 300_000_000
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STEP = 0.002  # s
_LAG = 0.004  # s, at most


def payload(number: int) -> bytes:
    """Make message n: symbol n mod 40, consecutive ids per symbol."""
    symbol, seq = names()[number % SYMBOLS], number // SYMBOLS
    time_ms = BASE_MS + number // 5
    return (
        f'{{"stream":"{symbol.lower()}@aggTrade","data":{{"e":"aggTrade","E":{time_ms},"a":{BASE_SEQ + seq},'
        f'"s":"{symbol}","p":"{64_000 + seq % 997}.10","q":"0.{number % 899 + 100}","nq":"0.{number % 899 + 100}",'
        f'"f":{2 * seq},"l":{2 * seq + 1},"T":{time_ms},"m":{"true" if number % 3 else "false"},"st":1}}}}'
    ).encode()


class Feed:
    """The feed for every connection."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.began = time.time() + 0.5

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until it ends."""
        request = await reader.readuntil(b"\r\n\r\n")
        first, last = (int(part) for part in request.split()[1].decode().rpartition("/")[2].split("-"))
        key = next(
            line.split(b": ")[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-k")
        )
        accept = base64.b64encode(hashlib.sha1(key.strip() + _GUID, usedforsecurity=False).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        saying = asyncio.create_task(self._say(writer, first, last))
        try:
            while frame := await _heard(reader):
                asked = json.loads(frame)
                writer.write(framed(json.dumps({"result": None, "id": asked["id"], "pad": " " * 130}).encode()))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        saying.cancel()
        writer.close()

    async def _say(self, writer: asyncio.StreamWriter, first: int, last: int) -> None:
        lag = random.uniform(0, _LAG)
        sent = max(int((time.time() - lag - self.began) * self.rate), 0)
        while True:
            await asyncio.sleep(_STEP)
            due = int((time.time() - lag - self.began) * self.rate)
            numbers = [n for n in range(sent, due) if first <= n % SYMBOLS <= last]
            random.shuffle(numbers)
            writer.write(b"".join(framed(payload(number)) for number in numbers))
            sent = max(sent, due)


async def _heard(reader: asyncio.StreamReader) -> bytes:
    """Read one masked text frame of a client; empty at a close."""
    head = await reader.readexactly(2)
    size = head[1] & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    mask = await reader.readexactly(4)
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(size)))
    return body if head[0] & 0x0F == 1 else b"" if head[0] & 0x0F == 8 else await _heard(reader)


async def _main(rate: float) -> None:
    feed = Feed(rate)
    server = await asyncio.start_server(feed.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], feed.began, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1])))
