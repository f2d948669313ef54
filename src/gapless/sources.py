"""Where the reader's answers come from: a store, or a running gapless by HTTP, in the same shapes."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from msgspec.structs import asdict

from gapless.adapters import open_store
from gapless.errors import BadInput, CouldNot, UnknownName
from gapless.model import Environment, Proof, Tape, iso, parse_timeframe
from gapless.query.audit import audit_object, audit_tape
from gapless.query.consolidated import consolidated, consolidated_rows, switch_row, trades_listing, turns_of
from gapless.query.explain import explain
from gapless.query.feed import gap_row
from gapless.query.footprint import footprint, footprint_answer
from gapless.query.footprint_batch import Item, footprint_batch
from gapless.query.footprint_rows import footprint_object
from gapless.query.indicators import candles_with, indicators_asked
from gapless.query.market import Market
from gapless.query.present import candle_rows, instrument_rows, listing, trade_rows
from gapless.query.profiles import profile_answer
from gapless.query.signals import named, signal_listing, signals, which

Parameters = dict[str, Any]
STATES = ("open", "repaired", "permanent", "expired")
_TIMEOUT = 30.0
_RANGED = ("candles", "trades", "footprint", "profile", "consolidated/candles", "consolidated/trades")


def open_source(url: str | None, environment: Environment | None) -> "Source":
    """Open a store by its URL (default `GAPLESS_STORE`, else ./gapless.db), or name a running gapless by its address.

    Raises `BadInput` where there is no store.
    """
    if url is None or not url.startswith(("http://", "https://")):
        return StoredSource(url, environment)
    if environment is not None:
        raise BadInput("environment belongs to a store; what runs behind an address has its own")
    return ServedSource(url.rstrip("/"))


class Source(Protocol):
    """Where answers come from: the same questions and shapes for a store and for a running gapless."""

    def ask(self, what: str, parameters: Parameters) -> dict[str, Any]:
        """Answer `candles`, `trades`, `footprint`, ... as the HTTP API does; times in `parameters` are ns UTC."""

    def batch(self, items: Sequence[Item], *, fetch: bool, progress: Callable[[int, int], None]) -> dict[str, Any]:
        """Answer the footprints of many candles; `progress` hears how many are done."""

    def close(self) -> None:
        """Let go of it."""


class StoredSource:
    """Answers from a store. One lock: each answer reads one snapshot, also while others commit."""

    def __init__(self, url: str | None, environment: Environment | None) -> None:
        self._store = open_store(url, environment=environment, readonly=True)
        self._market = Market(self._store)
        self._lock = threading.Lock()
        self._version = self._store.version()
        self._answers: dict[str, Callable[[Parameters], dict[str, Any]]] = {
            "candles": self._candles,
            "trades": self._trades,
            "footprint": self._footprint,
            "profile": self._profile,
            "signals": self._signals,
            "explain": self._explain,
            "instruments": lambda _: {"rows": instrument_rows(self._store.instruments())},
            "gaps": self._gaps,
            "consolidated/candles": self._consolidated_candles,
            "consolidated/trades": self._consolidated_trades,
            "consolidated/switches": self._switches,
            "coverage": lambda p: {"rows": [audit_object(audit_tape(self._store, t)) for t in self._tapes(p)]},
        }

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def ask(self, what: str, parameters: Parameters) -> dict[str, Any]:
        """Answer from the store; newest values are not in it."""
        answer = self._answers.get(what)
        if answer is None:
            raise BadInput(
                f"{what}: newest values are kept by a running `gapless run`, not by a store; "
                "open the market at its address, as in gapless.open('http://127.0.0.1:8787')"
            )
        _no_fetch(parameters.get("fetch"))
        with self._snapshot():
            return answer(parameters)

    def batch(self, items: Sequence[Item], *, fetch: bool, progress: Callable[[int, int], None]) -> dict[str, Any]:
        """Answer the footprints of many candles of one moment."""
        _no_fetch(fetch)
        with self._snapshot():
            return footprint_batch(self._market, items, progress=progress)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        with self._lock:
            connection = self._store.connection
            connection.execute("BEGIN")
            try:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the snapshot begins here
                if (version := self._store.version()) != self._version:
                    self._version = version
                    self._store.forget()
                yield
            finally:
                connection.execute("COMMIT")

    def _then(self, p: Parameters) -> Market:
        """Give the market as it was known when a question says."""
        return self._market.as_of(p.get("as_of"))

    def _candles(self, p: Parameters) -> dict[str, Any]:
        frame = parse_timeframe(p["timeframe"], p["grid"])
        if p["basis"] not in ("venue", "tape"):
            raise BadInput(f"basis: {p['basis']!r} is not allowed; allowed are venue, tape")
        columns = indicators_asked(p.get("with", ()), frame)
        market = self._then(p)
        found = market.instrument(p["id"])
        answer = candles_with(
            market, found, frame, columns, start=p["start"], end=p["end"], last=p["last"], basis=p["basis"],
            live=p["live"], least=Proof[p.get("with_proof", "disputed").upper()],
        )  # fmt: skip
        return listing(answer, candle_rows(answer), epoch=None)

    def _trades(self, p: Parameters) -> dict[str, Any]:
        market = self._then(p)
        answer = market.trades(market.instrument(p["id"]), start=p["start"], end=p["end"])
        return listing(answer, trade_rows(answer, received=True), epoch=None)

    def _footprint(self, p: Parameters) -> dict[str, Any]:
        market, frame = self._then(p), parse_timeframe(p["timeframe"])
        found = market.instrument(p["id"])
        height = p["ticks_per_row"]
        if p.get("single"):
            bar = footprint(market, found, frame, p["start"], ticks_per_row=height)
            return {"rows": [footprint_object(bar, found, timeframe=frame)]}
        return footprint_answer(
            market, found, frame, p["start"], p["end"], p["last"], live=p["live"], ticks_per_row=height
        )

    def _profile(self, p: Parameters) -> dict[str, Any]:
        found, session = self._market.instrument(p["id"]), parse_timeframe(p["session"])
        return profile_answer(
            self._then(p), found, session, p["start"], p["end"], p["last"], live=p["live"],
            ticks_per_row=p["ticks_per_row"],
        )  # fmt: skip

    def _signals(self, p: Parameters) -> dict[str, Any]:
        names = {"timeframe": "timeframes", "kind": "kinds", "side": "sides", "state": "states"}
        asked = which(
            **{many: p[one] for one, many in names.items()}, min_score=p["min_score"], min_proof=p["min_proof"]
        )
        market = self._then(p)
        asked = named(market, asked, p["id"])
        return signal_listing(signals(market, asked, start=p["start"], end=p["end"], last=p["last"]))

    def _explain(self, p: Parameters) -> dict[str, Any]:
        return explain(self._market, self._market.instrument(p["id"]), parse_timeframe(p["timeframe"]), p["start"])

    def _consolidated_candles(self, p: Parameters) -> dict[str, Any]:
        whole, frame = consolidated(self._then(p), p["id"]), parse_timeframe(p["timeframe"], p["grid"])
        answer = whole.candles(frame, start=p["start"], end=p["end"], last=p["last"], live=p["live"])
        return listing(answer, consolidated_rows(answer), epoch=None)

    def _consolidated_trades(self, p: Parameters) -> dict[str, Any]:
        return trades_listing(consolidated(self._then(p), p["id"]).trades(start=p["start"], end=p["end"]))

    def _switches(self, p: Parameters) -> dict[str, Any]:
        symbol = consolidated(self._market, p["id"]).symbol
        return {"rows": [switch_row(turn) for turn in turns_of(self._store, symbol) if turn.switches]}

    def _tapes(self, p: Parameters) -> Sequence[Tape]:
        return self._store.tapes(self._market.instrument(p["id"]).id if p["id"] else None)

    def _gaps(self, p: Parameters) -> dict[str, Any]:
        states = (p["state"],) if p["state"] else STATES
        reader = self._then(p).reader
        found = [(t, gap) for t in self._tapes(p) for state in states for gap in reader.gaps(t.id, state)]
        found.sort(key=lambda pair: -pair[1].opened)
        return {"rows": [gap_row(tape, gap) for tape, gap in found]}


def _no_fetch(fetch: bool | None) -> None:
    if fetch:
        raise BadInput(
            "fetch: a store fetches nothing; open the market at the address of a running `gapless run`, "
            "or use --fetch on the command line"
        )


class ServedSource:
    """Answers of a running gapless, by HTTP; long ranges page by page."""

    def __init__(self, address: str) -> None:
        self._address = address

    def close(self) -> None:
        """Nothing is held open."""

    def ask(self, what: str, parameters: Parameters) -> dict[str, Any]:
        """Ask by HTTP, and go on to the end of a range."""
        asked = {name: value for name, value in parameters.items() if value not in (None, []) and name != "single"}
        if what in _RANGED and not asked.keys() & {"start", "last"}:
            asked["start"] = 0
        if "fetch" in asked:
            asked["fetch"] = "missing" if asked["fetch"] else "none"
        answer = self._get(what, asked)
        while answer.get("next") is not None:
            onwards = {"first" if what.endswith("trades") else "start": answer["next"]}
            answer = _continued(answer, self._get(what, asked | onwards))
        return answer

    def batch(self, items: Sequence[Item], *, fetch: bool, progress: Callable[[int, int], None]) -> dict[str, Any]:
        """Ask for the footprints of many candles; each comes when it is done."""
        body = {"items": [asdict(item) for item in items], "fetch": "missing" if fetch else "none"}
        headers = {"content-type": "application/json", "accept": "application/x-ndjson"}
        request = Request(f"{self._address}/api/v1/footprints", json.dumps(body).encode(), headers)  # noqa: S310
        results: list[dict[str, Any]] = []
        with self._opened(request) as reply:
            for line in reply:
                row = json.loads(line)
                if "requested" in row:
                    return {**row, "results": sorted(results, key=lambda result: result["index"])}
                results.append(row)
                progress(len(results), len(items))
        raise CouldNot(f"gapless at {self._address} broke off after {len(results)} of {len(items)} footprints")

    def _get(self, what: str, asked: Parameters) -> dict[str, Any]:
        query = urlencode({name: _word(name, value) for name, value in asked.items()})
        with self._opened(f"{self._address}/api/v1/{what}?{query}") as reply:
            found: dict[str, Any] = json.load(reply)
            return found

    @contextmanager
    def _opened(self, request: str | Request) -> Iterator[Any]:
        try:
            with urlopen(request, timeout=_TIMEOUT) as reply:  # noqa: S310
                yield reply
        except HTTPError as refusal:
            sentence = _sentence(refusal)
            if refusal.code == 404:
                raise UnknownName(sentence) from refusal
            raise (BadInput(sentence) if refusal.code == 400 else CouldNot(sentence)) from refusal
        except (URLError, OSError, ValueError) as trouble:
            raise CouldNot(f"no gapless answers at {self._address}: {trouble}") from trouble


def _continued(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Join two pages of one range."""
    known = [Proof[page["proof"].upper()] for page in (before, after) if page["rows"]]
    return {
        **after,
        **({"warm_up": before["warm_up"]} if "warm_up" in before else {}),
        "rows": before["rows"] + after["rows"],
        "missing": before["missing"] + after["missing"],
        "sources": sorted({*before["sources"], *after["sources"]}),
        "revision": before["revision"] + after["revision"],
        "proof": min(known, default=Proof.MISSING).text,
        "elapsed_ms": before["elapsed_ms"] + after["elapsed_ms"],
        "fetch": max(before.get("fetch"), after.get("fetch"), key=_troubled),
    }


def _troubled(fetch: dict[str, Any] | None) -> int:
    return ("held", "fetched", "partial", "refused").index(fetch["state"]) if fetch else -1


def _word(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(value)
    return iso(value) if name in ("start", "end", "as_of") and isinstance(value, int) else value


def _sentence(refusal: HTTPError) -> str:
    try:
        return str(json.load(refusal)["error"])
    except (ValueError, KeyError, TypeError):
        return f"gapless answered with HTTP {refusal.code}"
