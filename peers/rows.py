"""Who is compared, in which mode, and under which conditions."""

from dataclasses import dataclass
from typing import Any

Fault = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """What goes wrong: a preset of the simulator or entries of a script, by seconds of play; `delay_s` a byte's way."""

    name: str
    about: str
    faults: str | tuple[Fault, ...]
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Client:
    """A collector with the mode in which it runs; `driver` is a module of peers.clients, none for gapless itself."""

    name: str
    distribution: str
    mode: str
    driver: str = ""


CONDITIONS = (
    Condition("calm", "20 frames doubled at 10 s, one disconnect at 20 s", "calm"),
    Condition("storm", "dropped, doubled, reordered, cut frames; silence, disconnects, resets; 429, 418, 5xx", "storm"),
    Condition("drops", "1 % of the frames are lost", ({"kind": "drop", "rate": 0.01},)),
    Condition("disconnects", "a connection breaks every 10 s", ({"kind": "disconnect", "every": 10.0},)),
    Condition(
        "far disconnects", "as disconnects, over a line of 50 ms each way: TCP, TLS and upgrade take 0.3 s",
        ({"kind": "disconnect", "every": 10.0},), delay_s=0.05,
    ),
    Condition(
        "silent", "from 12 s on, an acknowledged stream of trades (ETHUSDT) says nothing on a connection that stands",
        ({"kind": "mute", "at": 12.0, "symbol": "ETHUSDT", "stream": "aggTrade"},),
    ),
    Condition("close_24h", "the venue closes every connection, at 12, 27 and 42 s", (
        {"kind": "close_24h", "at": 12.0, "every": 15.0},
    )),
)  # fmt: skip

GAPLESS = Client("gapless", "gapless", "gapless run, defaults; judged by its store, read in order of id")
CLIENTS = (
    GAPLESS,
    Client(
        "ccxt pro", "ccxt",
        "watch_trades_for_symbols (aggTrade) and watch_ohlcv_for_symbols, newUpdates, called again after an error",
        "ccxt_pro",
    ),
    Client(
        "unicorn-binance", "unicorn-binance-websocket-api",
        "one multiplex stream with a callback, defaults (restarted by its manager)", "unicorn",
    ),
    Client(
        "unicorn-binance x 2", "unicorn-binance-websocket-api",
        "two identical streams, doubles left out by id in the driver: its author's advice against loss",
        "unicorn_twice",
    ),
    Client(
        "cryptofeed", "cryptofeed",
        "one feed with callbacks, retries without end, watchdog 10 s (its default is 120 s)", "cryptofeed_handler",
    ),
    Client(
        "python-binance", "python-binance",
        "one multiplex socket, a queue of 1,000,000 (its default is 100), opened again when it ends",
        "python_binance",
    ),
)  # fmt: skip

INSTRUMENTS = 3
SPEED = 4.0  # no fault touches a stream before its first 100 events: the third instrument has them after 13 s
