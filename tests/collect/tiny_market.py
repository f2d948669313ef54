"""A market small enough to know by heart: frames and REST replies of USD-M futures, written by hand.

Aggregate and trade number k happen k steps after the start; the aggregate has fills 10 k and 10 k + 1. What REST
shows ends at `shown`. It shares nothing with the product but the shapes that the venue documents.
"""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from manual import EPOCH, Answer, Asked, reply

from gapless.model import Instrument
from gapless.ports import Reply

ID = "binance:BTCUSDT"
START_MS = EPOCH // 1_000_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000
BTC = Instrument(
    venue="binance", symbol="BTCUSDT", base="BTC", quote="USDT", kind="perpetual", price_digits=1, size_digits=3,
    tick=1,
)  # fmt: skip
AGG, TRADE, BARS = "btcusdt@aggTrade", "btcusdt@trade", "btcusdt@kline_1m"
NO = reply({"code": -1121, "msg": "Invalid symbol."}, 400)


class TinyMarket:
    """`step` ms lie between two events; `voids` are trade ids spent without a trade; `listed` is the first minute."""

    def __init__(self, *, step: int = 1_000, shown: int = 0, start_ms: int = START_MS) -> None:
        self.step = step
        self.shown = shown
        self.start_ms = start_ms
        self.voids: set[int] = set()
        self.listed = 0
        self.now_ms = start_ms
        self.files: dict[str, bytes] = {}

    def time(self, number: int) -> int:
        return self.start_ms + number * self.step

    def price(self, number: int) -> str:
        return f"{Decimal(50_000) + Decimal(number % 50) / 10:.1f}"

    def size(self, number: int) -> str:
        return f"{Decimal(1 + number % 7) / 1_000:.3f}"

    def agg(self, number: int) -> dict[str, Any]:
        return {
            "a": number, "p": self.price(number), "q": self.size(number), "f": 10 * number, "l": 10 * number + 1,
            "T": self.time(number), "m": number % 3 == 0,
        }  # fmt: skip

    def agg_frame(self, number: int, **other: Any) -> dict[str, Any]:
        event = {"e": "aggTrade", "E": self.time(number) + 5, "s": "BTCUSDT", **self.agg(number), **other}
        return {"stream": AGG, "data": event}

    def aggs(self, first: int, last: int) -> list[dict[str, Any]]:
        return [self.agg_frame(number) for number in range(first, last + 1)]

    def trade_frame(self, number: int) -> dict[str, Any]:
        void = number in self.voids
        event = {
            "e": "trade", "E": self.time(number) + 5, "T": self.time(number), "s": "BTCUSDT", "t": number,
            "p": "0" if void else self.price(number), "q": "0" if void else self.size(number), "X": "MARKET",
            "m": number % 3 == 0,
        }  # fmt: skip
        return {"stream": TRADE, "data": event}

    def trades(self, first: int, last: int) -> list[dict[str, Any]]:
        return [self.trade_frame(number) for number in range(first, last + 1)]

    def numbers(self, minute: int) -> range:
        """The aggregates of a minute, counted from the start."""
        return range(minute * MINUTE_MS // self.step, (minute + 1) * MINUTE_MS // self.step)

    def sums(self, minute: int) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Volume, quote volume, and the takers' buys of both."""
        rows = [(Decimal(self.price(n)), Decimal(self.size(n)), n % 3 != 0) for n in self.numbers(minute)]
        volume = sum((size for _, size, _ in rows), Decimal("0.000"))
        quote = sum((price * size for price, size, _ in rows), Decimal("0.0000"))
        taker = sum((size for _, size, buy in rows if buy), Decimal("0.000"))
        taker_quote = sum((price * size for price, size, buy in rows if buy), Decimal("0.0000"))
        return volume, quote, taker, taker_quote

    def bar_frame(self, minute: int, *, closed: bool = True, late_ms: int = 250, **other: Any) -> dict[str, Any]:
        numbers = self.numbers(minute)
        prices = [Decimal(self.price(n)) for n in numbers]
        volume, quote, taker, taker_quote = self.sums(minute)
        open_time = self.start_ms + minute * MINUTE_MS
        body = {
            "t": open_time, "T": open_time + MINUTE_MS - 1, "s": "BTCUSDT", "i": "1m", "f": 10 * numbers[0],
            "L": 10 * numbers[-1] + 1, "o": str(prices[0]), "c": str(prices[-1]), "h": str(max(prices)),
            "l": str(min(prices)), "v": str(volume), "n": 2 * len(numbers), "x": closed, "q": str(quote),
            "V": str(taker), "Q": str(taker_quote), "B": "0", **other,
        }  # fmt: skip
        return {"stream": BARS, "data": {"e": "kline", "E": open_time + MINUTE_MS + late_ms, "s": "BTCUSDT", "k": body}}

    def kline(self, minute: int) -> list[Any]:
        k = self.bar_frame(minute)["data"]["k"]
        return [k["t"], k["o"], k["h"], k["l"], k["c"], k["v"], k["T"], k["q"], k["n"], k["V"], k["Q"], "0"]

    def single(self, number: int) -> dict[str, Any]:
        return {
            "id": number, "price": self.price(number), "qty": self.size(number), "quoteQty": "0",
            "time": self.time(number), "isBuyerMaker": number % 3 == 0,
        }  # fmt: skip

    def answer(self, asked: Asked) -> Answer:
        """Answer a request as the venue would."""
        name = asked.path.replace("24hr", "ticker") if "/data/" not in asked.path else "archive"
        return getattr(self, f"_{name}", lambda asked: NO)(asked)  # type: ignore[no-any-return]

    def _aggTrades(self, asked: Asked) -> Reply:  # noqa: N802
        first = asked.number("fromId")
        last = min(first + asked.number("limit") - 1, self.shown)
        return reply([self.agg(number) for number in range(first, last + 1)])

    def _historicalTrades(self, asked: Asked) -> Reply:  # noqa: N802
        if "X-MBX-APIKEY" not in asked.headers:
            return reply({"code": -2014, "msg": "API-key format invalid."}, 401)
        first = asked.number("fromId")
        rows = [number for number in range(first, self.shown + 1) if number not in self.voids]
        return reply([self.single(number) for number in rows[: asked.number("limit")]])

    def _trades(self, asked: Asked) -> Reply:
        rows = [number for number in range(1, self.shown + 1) if number not in self.voids]
        return reply([self.single(number) for number in rows[-asked.number("limit") :]])

    def _klines(self, asked: Asked) -> Reply:
        first = max((asked.number("startTime") - self.start_ms) // MINUTE_MS, self.listed)
        end = min(asked.number("endTime"), self.now_ms)
        minutes = [m for m in range(first, first + asked.number("limit")) if self.start_ms + m * MINUTE_MS <= end]
        return reply([self.kline(minute) for minute in minutes])

    def _time(self, asked: Asked) -> Reply:
        return reply({"serverTime": self.now_ms})

    def _ticker(self, asked: Asked) -> Reply:
        return reply(self.ticker())

    def ticker(self) -> dict[str, Any]:
        text = dict.fromkeys(
            ("priceChangePercent", "lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume"), "1.0"
        )
        return text | {
            "symbol": "BTCUSDT", "closeTime": self.now_ms, "firstId": 0, "lastId": 10 * self.shown + 1, "count": 1,
        }  # fmt: skip

    def _archive(self, asked: Asked) -> Reply:
        body = self.files.get(asked.path)
        return reply(body) if body is not None else reply(b"<Error/>", 404)

    def publish(self, kind: str, numbers: Sequence[int], *, checksum: str | None = None) -> str:
        """Publish the file of the day of the first number; give its path."""
        day = datetime.fromtimestamp(self.time(numbers[0]) / 1_000, UTC).date().isoformat()
        name = f"BTCUSDT-{kind}-{day}"
        if kind == "aggTrades":
            header = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
            rows = [
                f"{n},{self.price(n)},{self.size(n)},{10 * n},{10 * n + 1},{self.time(n)},{str(n % 3 == 0).lower()}"
                for n in numbers
            ]
        else:
            header = "id,price,qty,quote_qty,time,is_buyer_maker"
            rows = [
                f"{n},{self.price(n)},{self.size(n)},0,{self.time(n)},{str(n % 3 == 0).lower()}"
                for n in numbers
                if n not in self.voids
            ]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}.csv", "\n".join([header, *rows]) + "\n")
        path = f"/data/futures/um/daily/{kind}/BTCUSDT/{name}.zip"
        stated = checksum or hashlib.sha256(packed.getvalue()).hexdigest()
        self.files[path] = packed.getvalue()
        self.files[path + ".CHECKSUM"] = f"{stated}  {name}.zip\n".encode()
        return path
