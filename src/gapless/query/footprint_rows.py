"""Writes footprints for programs: plain decimal text, rows from low to high, and what bars say beside each other."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from gapless.derive.delta import DeltaBar, cumulative_delta, divergences
from gapless.derive.profile import PocBar, naked
from gapless.derive.quality import Quality
from gapless.model import DAY, SIDE_NAMES, Instrument, Proof, State, Timeframe
from gapless.model.footprint import Footprint
from gapless.model.number import plain
from gapless.model.times import in_epoch


def footprint_object(
    bar: "BarFootprint", instrument: Instrument, *, timeframe: Timeframe, epoch: str | None = None
) -> dict[str, Any]:
    """Write the footprint of one bar; times are ISO 8601, or epochs of the unit asked for."""
    p, s = instrument.price_digits, instrument.size_digits
    found = bar.footprint
    return {
        "instrument": instrument.id,
        "timeframe": str(timeframe),
        "start": in_epoch(bar.start, epoch),
        "end": in_epoch(bar.end, epoch),
        "short": bar.short,
        "state": bar.state.text,
        **{name: _text(getattr(bar, name), p) for name in ("open", "high", "low", "close")},
        "rows": _levels(found, p, s),
        **{name: _text(getattr(found, name), p) for name in ("poc", "vah", "val")},
        "value_area_share": None if found.value_area_share is None else round(found.value_area_share, 6),
        "rows_per_step": found.rows_per_step,
        "tick": plain(found.tick, p),
        "ticks_per_row": found.ticks_per_row,
        "row_height": plain(found.row_height, p),
        **{name: plain(getattr(found, name), s) for name in ("volume", "bid", "ask", "unknown")},
        "trades": found.trades,
        **{name: plain(getattr(found, name), s) for name in ("delta", "min_delta", "max_delta")},
        **_judgements(found, p, s),
        "proof": bar.proof.text,
        "quality": None if bar.quality is None else asdict(bar.quality),
        "revision": bar.revision,
        "sources": bar.sources,
        "missing": [[in_epoch(a, epoch), in_epoch(b, epoch)] for a, b in bar.missing],
        "error": bar.error,
        "elapsed_ms": round(bar.elapsed_ms, 3),
    }


def _levels(found: Footprint, p: int, s: int) -> list[dict[str, Any]]:
    return [
        {
            "price": plain(row.price, p),
            "bid": plain(row.bid, s),
            "ask": plain(row.ask, s),
            "unknown": plain(row.unknown, s),
            "delta": plain(row.delta, s),
            "trades": row.trades,
        }
        for row in found.rows
    ]


def _judgements(found: Footprint, p: int, s: int) -> dict[str, Any]:
    return {
        "imbalances": [
            {
                "price": plain(one.price, p),
                "side": SIDE_NAMES[one.side],
                "volume": plain(one.volume, s),
                "opposite": plain(one.opposite, s),
            }
            for one in found.imbalances
        ],
        "stacked": [
            {"side": SIDE_NAMES[zone.side], "low": plain(zone.low, p), "high": plain(zone.high, p), "rows": zone.rows}
            for zone in found.stacked
        ],
        "unfinished": None if found.unfinished is None else list(found.unfinished),
        "high_nodes": [plain(node, p) for node in found.high_nodes],
        "low_nodes": [plain(node, p) for node in found.low_nodes],
        "findings": [
            {"kind": one.kind, "at": one.at, "rows": one.rows, "volume": plain(one.volume, s)} for one in found.findings
        ],
        "thresholds": found.thresholds,
    }


def relate(rows: list[dict[str, Any]], bars: Sequence["BarFootprint"], instrument: Instrument) -> list[dict[str, Any]]:
    """Add to rows what a bar has only beside others: `cvd`, and `poc_naked`; None for a bar without trades."""
    held, deltas = _held(bars)
    sums = dict(zip((bar.start for bar in held), cumulative_delta(deltas), strict=True))
    pocs = [
        None if bar.footprint.poc is None else PocBar(bar.footprint.poc, delta.low, delta.high)
        for bar, delta in zip(held, deltas, strict=True)
    ]
    height = held[0].footprint.row_height if held else 1
    untouched = {held[index].start for index in naked(pocs, height=height)}
    for row, bar in zip(rows, bars, strict=True):
        row["cvd"] = _text(sums.get(bar.start), instrument.size_digits)
        row["poc_naked"] = bar.start in untouched if bar.start in sums else None
    return rows


def divergence_rows(
    bars: Sequence["BarFootprint"], instrument: Instrument, *, window: int, epoch: str | None = None
) -> list[dict[str, Any]]:
    """Write where a new extreme of `window` bars is not confirmed by the cumulative delta."""
    held, deltas = _held(bars)
    size = instrument.size_digits
    return [
        {
            "start": in_epoch(held[found.index].start, epoch),
            "before": in_epoch(held[found.before].start, epoch),
            "side": SIDE_NAMES[found.side],
            "cvd": plain(found.cvd, size),
            "cvd_before": plain(found.cvd_before, size),
        }
        for found in divergences(deltas, window=window)
    ]


def _held(bars: Sequence["BarFootprint"]) -> tuple[list["BarFootprint"], list[DeltaBar]]:
    """Give the bars that traded, with their ranges and deltas; the session of cumulative delta is the UTC day."""
    held, deltas = [], []
    for bar in bars:
        if bar.high is not None and bar.low is not None:
            held.append(bar)
            deltas.append(DeltaBar(bar.high, bar.low, bar.footprint.delta, bar.start // DAY))
    return held, deltas


def _text(value: int | None, digits: int) -> str | None:
    return None if value is None else plain(value, digits)


class BarFootprint(Struct, frozen=True, kw_only=True):
    """The footprint of one bar, and what is known of it; times are ns UTC, prices scaled.

    `missing` lists the closed minutes of the bar whose trades are not held whole. Prices are those of the trades
    held, `revision` the sum of the minutes' revisions. `error` says why there is no footprint though there are
    trades; only then there is no `quality`.
    """

    start: int
    end: int
    short: bool
    state: State
    proof: Proof
    quality: Quality | None
    revision: int
    sources: list[str]
    missing: list[tuple[int, int]]
    open: int | None
    high: int | None
    low: int | None
    close: int | None
    footprint: Footprint
    elapsed_ms: float
    error: str | None = None
