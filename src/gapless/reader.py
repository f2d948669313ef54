"""The Python reader: one market, read from a store or from a running gapless, synchronous and beside a collector."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from gapless.asking import Moment, asked_range, at_of, ns_of, proof_of, rows_of, spans_of
from gapless.consolidated import ConsolidatedReader
from gapless.errors import BadInput, Incomplete, UnknownName
from gapless.model import Environment, Grid, Proof, Timeframe, iso, parse_timeframe
from gapless.query.footprint_batch import Item
from gapless.query.market import Basis
from gapless.results import (
    FOOTPRINTS,
    SIGNALS,
    TRADES,
    Candle,
    Coverage,
    Gap,
    Instrument,
    Quote,
    Rows,
    Signal,
    Ticker,
    Trade,
    candles_layout,
)
from gapless.sources import STATES, Parameters, Source, open_source
from gapless.volumes import Batch, BatchItem, Footprint, Profile

OnGap = Literal["keep", "raise", "skip"]


def open_market(url: str | None = None, environment: Environment | None = None) -> "MarketReader":
    """Open a market to read: a store (`sqlite:///FILE` or a file name; default `GAPLESS_STORE`, else ./gapless.db),
    or a running `gapless run` by its address (`http://127.0.0.1:8787`).

    `environment` (live, demo, sim) chooses where a store holds several. Raises `BadInput` where there is no store.
    """
    return MarketReader(open_source(url, environment))


class MarketReader:
    """Reads a market. One object may be shared by threads: each answer is of one moment, one after another.

    Instruments may be spelled in any usual way. Times are `datetime` (without a zone: UTC), ISO 8601, an epoch by
    its magnitude, `"now"` or `"-6h"`; ranges are [start, end). Use it as a context manager, or `close()` it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> "MarketReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        self._source.close()

    def candles(
        self,
        id: str,
        timeframe: str,
        *,
        last: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        forming: bool = False,
        min_proof: str | Proof | None = None,
        on_gap: OnGap = "keep",
        basis: Basis = "venue",
        grid: Grid = "midnight",
        indicators: str | Sequence[str] = (),
        fetch: bool = False,
        as_of: Moment | None = None,
    ) -> Rows[Candle]:
        """Give closed bars of any timeframe: the last N, those of [start, end), or all; with `forming` the open one.

        A closed bar that is missing, or proven worse than `min_proof`, is a gap: `keep` gives it without values,
        `skip` leaves it out, `raise` raises `Incomplete`. `basis="tape"` gives our fold instead of the venue's bar.
        `indicators` such as `["sma:200", "ichimoku"]` add columns, and `row.indicators["sma_200"]`; a value that rests
        on a bar that is not complete, or proven worse than `min_proof`, is None.
        With `fetch` a running gapless first fetches what is not held; `.fetch` of the answer says what became of it.
        `as_of`, here and elsewhere, answers what was known at a time of the machine that collects.
        """
        if on_gap not in ("keep", "raise", "skip"):
            raise BadInput(f"on_gap: {on_gap!r} is not allowed; allowed are keep, raise, skip")
        frame = parse_timeframe(timeframe, grid)
        least = proof_of(min_proof)
        asked = asked_range(last, start, end, as_of) | {"basis": basis, "live": forming, "grid": grid, "fetch": fetch}
        if indicators:
            texts = [indicators] if isinstance(indicators, str) else list(indicators)
            asked |= {"with": texts, "with_proof": max(least or Proof.DISPUTED, Proof.DISPUTED).text}
        answer = self._source.ask("candles", {"id": id, "timeframe": timeframe, **asked})
        columns = answer.get("indicators", [])
        for row in answer["rows"]:
            row["indicators"] = {column: row[column] for column in columns}
        rows = msgspec.convert(answer["rows"], list[Candle])
        missing = spans_of(answer)
        if least is not None:
            weak = [row for row in rows if row.state != "open" and proof_of(row.proof) < least]  # type: ignore[operator]
            missing = _joined([*missing, *((row.start, _end(row.start, frame)) for row in weak)])
            blank = {row.start for row in weak}
            rows = [_emptied(row) if row.start in blank else row for row in rows]
        if missing and on_gap == "raise":
            spans = ", ".join(f"{a:%Y-%m-%dT%H:%M}Z to {b:%Y-%m-%dT%H:%M}Z" for a, b in missing[:3])
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise Incomplete(f"of {id} {timeframe} {spans}{more} is not held as it was asked for")
        if on_gap == "skip":
            rows = [row for row in rows if row.state != "missing"]
        return rows_of(rows, candles_layout(columns), answer, missing)

    def get_candles(self, id: str, timeframe: str, count: int) -> Rows[Candle]:
        """Give the last `count` closed bars."""
        return self.candles(id, timeframe, last=count)

    def trades(
        self, id: str, *, start: Moment | None = None, end: Moment | None = None, as_of: Moment | None = None
    ) -> Rows[Trade]:
        """Give the trades of the primary tape with times in [start, end), by id."""
        asked = asked_range(None, start, end, as_of)
        answer = self._source.ask("trades", {"id": id, "received": True, **asked})
        return rows_of(msgspec.convert(answer["rows"], list[Trade]), TRADES, answer, spans_of(answer))

    def footprint(
        self, id: str, timeframe: str, start: Moment, *, ticks_per_row: int | None = None, fetch: bool = False,
        as_of: Moment | None = None,
    ) -> Footprint:  # fmt: skip
        """Give the footprint of the bar that contains `start`, the forming one included; `fetch` as with candles."""
        frame = parse_timeframe(timeframe)
        begin = frame.start_of(ns_of(start))
        asked = {
            "id": id,
            "timeframe": timeframe,
            "ticks_per_row": ticks_per_row,
            "live": True,
            "single": True,
            "fetch": fetch,
            "as_of": at_of(as_of),
        }
        answer = self._source.ask("footprint", asked | {"start": begin, "end": frame.end_of(begin)})
        if not answer["rows"]:
            raise Incomplete(f"nothing is held of {id} {timeframe} {iso(begin)}")
        return msgspec.convert(answer["rows"][0], Footprint)

    def footprints(
        self,
        id: str,
        timeframe: str,
        *,
        last: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        forming: bool = False,
        ticks_per_row: int | None = None,
        fetch: bool = False,
        as_of: Moment | None = None,
    ) -> Rows[Footprint]:
        """Give the footprints of many bars, rows of one height; a bar that fails carries its `error`."""
        asked = asked_range(last, start, end, as_of) | {"live": forming, "ticks_per_row": ticks_per_row, "fetch": fetch}
        answer = self._source.ask("footprint", {"id": id, "timeframe": timeframe, **asked})
        return rows_of(msgspec.convert(answer["rows"], list[Footprint]), FOOTPRINTS, answer, spans_of(answer))

    def footprint_batch(
        self, items: Iterable[tuple[str, str, Moment]], *,
        progress: Callable[[int, int], None] = lambda done, total: None, fetch: bool = False,
    ) -> Batch:  # fmt: skip
        """Give the footprints of many candles, each an id, a timeframe and a time in it, in their order.

        `progress` is called with how many are done, of how many. One that fails never costs the others.
        """
        asked = [Item(id, timeframe, ns_of(start)) for id, timeframe, start in items]
        answer = self._source.batch(asked, fetch=fetch, progress=progress)
        rows = answer.pop("results")
        results = tuple(
            BatchItem(
                id=row["id"], timeframe=row["timeframe"], outcome=row["outcome"], error=row["error"],
                footprint=msgspec.convert(row, Footprint) if "rows" in row else None,
            )
            for row in rows
        )  # fmt: skip
        return Batch(results=results, **answer)

    def profile(
        self,
        id: str,
        session: str = "1d",
        *,
        last: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        forming: bool = False,
        ticks_per_row: int | None = None,
        fetch: bool = False,
        as_of: Moment | None = None,
    ) -> Rows[Profile]:
        """Give the volume profiles of sessions (1d, 1w, any timeframe), by default of the last closed one."""
        asked = asked_range(last, start, end, as_of) | {"live": forming, "ticks_per_row": ticks_per_row, "fetch": fetch}
        if last is None and start is None:
            asked["last"] = None if end is not None else 1
        answer = self._source.ask("profile", {"id": id, "session": session, **asked})
        return rows_of(msgspec.convert(answer["rows"], list[Profile]), FOOTPRINTS, answer, spans_of(answer))

    def signals(
        self,
        id: str | Sequence[str] = (),
        *,
        timeframe: str | Sequence[str] = (),
        kind: str | Sequence[str] = (),
        side: str | Sequence[str] = (),
        state: str | Sequence[str] = (),
        min_score: float | None = None,
        min_proof: str | Proof | None = None,
        last: int | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        as_of: Moment | None = None,
    ) -> Rows[Signal]:
        """Give signals, each as its newest judgement, newest last: the last N (20), or of bars closed in [start, end).

        Every filter takes one word or several: `kind` is `reversal`, `volume_spike`, `pattern` (all of them) or
        `pattern.hammer`, `side` buy or sell, `state` found, confirmed, withdrawn, all, or by default what stands.
        """
        least = proof_of(min_proof)
        words = {"id": id, "timeframe": timeframe, "kind": kind, "side": side, "state": state}
        asked: Parameters = {name: [value] if isinstance(value, str) else [*value] for name, value in words.items()}
        asked |= {"min_score": min_score, "min_proof": None if least is None else least.text}
        answer = self._source.ask("signals", asked | asked_range(last, start, end, as_of))
        return rows_of(msgspec.convert(answer["rows"], list[Signal]), SIGNALS, answer, spans_of(answer))

    def explain(self, id: str, timeframe: str, start: Moment) -> dict[str, Any]:
        """Say where every part of the bar that contains `start` came from, in the shape of `gapless explain --json`."""
        return self._source.ask("explain", {"id": id, "timeframe": timeframe, "start": ns_of(start)})

    def consolidated(self, id: str) -> ConsolidatedReader:
        """Give the market that several venues make of an instrument, by its unified symbol (BTC/USDT)."""
        return ConsolidatedReader(self._source, id)

    def instruments(self) -> list[Instrument]:
        """List the instruments."""
        return msgspec.convert(self._source.ask("instruments", {})["rows"], list[Instrument])

    def gaps(self, id: str | None = None, *, state: str | None = None, as_of: Moment | None = None) -> list[Gap]:
        """List the named gaps of every tape (of one instrument) in every state (in one), newest first."""
        if state is not None and state not in STATES:
            raise BadInput(f"state: {state!r} is not allowed; allowed are {', '.join(STATES)}")
        asked = {"id": id, "state": state, "as_of": at_of(as_of)}
        return msgspec.convert(self._source.ask("gaps", asked)["rows"], list[Gap])

    def coverage(self, id: str | None = None) -> list[Coverage]:
        """Audit every tape (of one instrument): what is held, by which evidence, voids, and every hole."""
        return msgspec.convert(self._source.ask("coverage", {"id": id})["rows"], list[Coverage])

    def ticker(self, id: str) -> Ticker:
        """Give the newest 24 h summary; only a running gapless has it."""
        rows = self._source.ask("tickers", {"id": id})["rows"]
        if not rows:
            raise UnknownName(f"no ticker of {id} has come yet")
        return msgspec.convert(rows[0], Ticker)

    def quotes(self, id: str | None = None) -> list[Quote]:
        """List the newest best bids and asks; only a running gapless has them."""
        return msgspec.convert(self._source.ask("quotes", {"id": id})["rows"], list[Quote])

    def book(self, id: str, *, depth: int = 20) -> dict[str, Any]:
        """Give the top of the order book, best first; only a running gapless that keeps it has it."""
        return self._source.ask("book", {"id": id, "depth": depth})


def _emptied(row: Candle) -> Candle:
    return replace(
        row, open=None, high=None, low=None, close=None, volume=None, quote_volume=None, trades=None,
        taker_buy_volume=None, taker_buy_quote_volume=None, state="missing",
        indicators=dict.fromkeys(row.indicators),
    )  # fmt: skip


def _end(start: datetime, frame: Timeframe) -> datetime:
    return datetime.fromtimestamp(frame.end_of(ns_of(start)) // 1_000_000_000, UTC)


def _joined(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    result: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result
