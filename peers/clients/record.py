"""What a driver writes: every row that its client delivered, and everything that the client said of a loss."""

import json
import os
import platform
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

DETAIL = 200


class Record:
    """JSON lines in a file, one a delivery, in the order of delivery; threads may share it."""

    def __init__(self, file: TextIO, distribution: str) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._write("version", version=version(distribution), python=platform.python_version())

    def _write(self, line: str, **fields: Any) -> None:
        with self._lock:
            self._file.write(json.dumps({"t": line, **fields}) + "\n")
            self._file.flush()

    def trade(self, symbol: str, number: int, price: str, size: str, time_ms: int, *, maker: bool) -> None:
        """Write one aggregate trade; `maker` says whether the buyer was."""
        self._write("trade", symbol=symbol, row=[number, price, size, time_ms, maker])

    def candle(self, symbol: str, start_ms: int, *prices_and_volume: str) -> None:
        """Write one minute: open, high, low, close, volume; the last one written of a minute counts."""
        self._write("candle", symbol=symbol, row=[start_ms, *prices_and_volume])

    def told(self, kind: str, detail: object = "") -> None:
        """Write what the client said by itself: an exception, a signal, a warning."""
        self._write("told", at=time.time(), kind=kind, detail=str(detail)[:DETAIL])

    def message(self, message: dict[str, Any]) -> None:
        """Write what a client hands over as the venue sent it; only closed candles count."""
        if message["e"] == "aggTrade":
            self.trade(message["s"], message["a"], message["p"], message["q"], message["T"], maker=message["m"])
        elif message["e"] == "kline" and message["k"]["x"]:
            bar = message["k"]
            self.candle(message["s"], bar["t"], bar["o"], bar["h"], bar["l"], bar["c"], bar["v"])


def begin(distribution: str) -> tuple[Record, str, list[str]]:
    """Read URL, FILE and SYMBOLS from the command line; the process ends when its standard input does."""
    url, file, *symbols = sys.argv[1:]

    def tether() -> None:
        os.read(sys.stdin.fileno(), 1)
        os._exit(0)

    threading.Thread(target=tether, daemon=True).start()
    return Record(Path(file).open("w"), distribution), url, symbols
