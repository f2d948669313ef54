"""A recorded month as bars of 5 minutes, folded here by polars, and as the arrays that TA-Lib takes."""

from pathlib import Path

import numpy as np
import polars as pl

from gapless.derive.indicators.series import Series
from gapless.model import Candle, Origin, Proof, State, Timeframe

FIVE = Timeframe(5)
P, S = 4, 1  # digits of ALGOUSDT


def month(folder: Path) -> pl.DataFrame:
    """Fold ALGO's month to 5 minutes; prices and sizes as floats, as anybody would read the file."""
    minutes = pl.read_csv(folder / "binance-usdm" / "ALGOUSDT-1m-2026-02.csv.zst")
    return minutes.group_by(pl.col("open_time") // 300_000 * 300_000, maintain_order=True).agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
        pl.col("volume").sum(), pl.col("quote_volume").sum(), pl.col("count").sum(),
    )  # fmt: skip


def bars(frame: pl.DataFrame) -> list[Candle]:
    """Make the candles that gapless would serve."""
    return [
        Candle(
            start=at * 1_000_000, open=round(o * 10**P), high=round(h * 10**P), low=round(low * 10**P),
            close=round(c * 10**P), volume=round(v * 10**S), quote_volume=round(q * 10 ** (P + S)), trades=n,
            state=State.TRADED if n else State.EMPTY, origin=Origin.VENUE, proof=Proof.OFFICIAL,
        )
        for at, o, h, low, c, v, q, n in frame.rows()
    ]  # fmt: skip


def series(rows: list[Candle], **more: object) -> Series:
    return Series(rows, FIVE, price_digits=P, size_digits=S, **more)  # type: ignore[arg-type]


def arrays(frame: pl.DataFrame, names: tuple[str, ...]) -> list[np.ndarray]:
    return [frame[name].cast(pl.Float64).to_numpy() for name in names]


def as_floats(column: list[float | int | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in column], dtype=float)
