"""A flat-out feed: aggTrade frames of 40 symbols, 200 bytes each, on real sockets from a process of its own.

Frames are made before the clock starts, so that the sender is never what is measured.
"""

import base64
import hashlib
import socket
import struct
import sys
import threading

SYMBOLS = 40
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BASE_MS = 1_785_048_480_000


def names() -> list[str]:
    """List the symbols."""
    return [f"SYM{number:02d}USDT" for number in range(SYMBOLS)]


def payloads(count: int) -> list[bytes]:
    """Make frames: consecutive ids per symbol, prices as they cluster, numbers as the venue writes them."""
    frames = []
    symbols = names()
    for number in range(count):
        symbol, seq = symbols[number % SYMBOLS], number // SYMBOLS
        time = BASE_MS + number // 25
        ticks = 640_000 + seq // 50 % 400 + number * 7_919 % 5  # trades cluster around a price that drifts
        frames.append(
            (
                f'{{"stream":"{symbol.lower()}@aggTrade","data":{{"e":"aggTrade","E":{time + 12},'
                f'"a":{300_000_000 + seq},"s":"{symbol}","p":"{ticks // 10}.{ticks % 10}0",'
                f'"q":"0.{number % 899 + 100}","nq":"0.{number % 899 + 100}",'
                f'"f":{521_000_000 + 2 * seq},"l":{521_000_001 + 2 * seq},"T":{time},'
                f'"m":{"true" if number % 3 else "false"},"st":1}}}}'
            ).encode()
        )
    return frames


def framed(payload: bytes) -> bytes:
    """Wrap a payload as an unmasked text frame."""
    return b"\x81\x7e" + struct.pack("!H", len(payload)) + payload


def _serve(listener: socket.socket, data: bytes) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_feed, args=(connection, data), daemon=True).start()


def _feed(connection: socket.socket, data: bytes) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(4096)
    key = next(line.split(b": ")[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key.strip() + _GUID, usedforsecurity=False).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    try:
        connection.sendall(data)
        connection.recv(4096)
    except OSError:
        pass
    connection.close()


if __name__ == "__main__":
    count = int(sys.argv[1])
    stream = b"".join(framed(payload) for payload in payloads(count))
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    _serve(server, stream)
