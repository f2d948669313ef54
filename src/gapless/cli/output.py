"""Prints rows in the format asked for."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import msgspec

from gapless.errors import BadInput
from gapless.query.present import csv_lines

FORMATS = ("table", "csv", "json", "parquet")


def write_rows(
    columns: Sequence[str],
    rows: Iterable[dict[str, Any]],
    *,
    form: str,
    output: Path | None,
    wrap: Callable[[Iterable[dict[str, Any]]], dict[str, Any]] | None = None,
    decimals: dict[str, int] | None = None,
    floats: Sequence[str] = (),
) -> None:
    """Write rows as a table, CSV, JSON or Parquet.

    `wrap` makes the JSON object that carries the rows; `decimals` gives the digits of the columns that are
    decimal numbers, which Parquet keeps as such, `floats` the columns of statistics.
    """
    if form not in FORMATS:
        raise BadInput(f"--format: {form!r} is not allowed; allowed are {', '.join(FORMATS)}")
    if form == "parquet":
        _parquet(columns, rows, output, decimals or {}, floats)
        return
    with _target(output) as out:
        if form == "csv":
            out.writelines(line + "\n" for line in csv_lines(columns, rows))
        elif form == "json":
            out.write(msgspec.json.encode(wrap(rows) if wrap else list(rows)).decode() + "\n")
        else:
            _table(columns, rows, out)


class _target:  # noqa: N801
    """Opens the file asked for, or lends the terminal."""

    def __init__(self, output: Path | None) -> None:
        self.output = output
        self.file: TextIO | None = None

    def __enter__(self) -> TextIO:
        if self.output is None:
            return sys.stdout
        try:
            self.file = self.output.open("w")
        except OSError as error:
            raise BadInput(f"--output: {self.output} cannot be written: {error.strerror}") from error
        return self.file

    def __exit__(self, *_: object) -> None:
        if self.file:
            self.file.close()


def _table(columns: Sequence[str], rows: Iterable[dict[str, Any]], out: TextIO) -> None:
    cells = [[_shown(row[column]) for column in columns] for row in rows]
    widths = [max([len(column), *(len(row[i]) for row in cells)]) for i, column in enumerate(columns)]
    words = [any(" " in row[i] for row in cells) for i in range(len(columns))]
    for line in [list(columns), *cells]:
        placed = (
            cell.ljust(width) if wordy else cell.rjust(width)
            for cell, width, wordy in zip(line, widths, words, strict=True)
        )  # fmt: skip
        out.write("  ".join(placed).rstrip() + "\n")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.10g}"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _parquet(
    columns: Sequence[str],
    rows: Iterable[dict[str, Any]],
    output: Path | None,
    decimals: dict[str, int],
    floats: Sequence[str],
) -> None:
    import polars

    if output is None:
        raise BadInput("--format parquet needs --output FILE")
    values: dict[str, list[Any]] = {column: [] for column in columns}
    for row in rows:
        for column in columns:
            values[column].append(row[column])
    frame = polars.DataFrame(values, schema_overrides=dict.fromkeys(floats, polars.Float64)).with_columns(
        *(polars.col(column).cast(polars.Decimal(38, digits)) for column, digits in decimals.items()),
        *(
            polars.col(column).str.to_datetime(time_unit="ns", time_zone="UTC")
            for column in ("start", "end", "time", "received", "known_at")
            if column in values and all(isinstance(value, str) for value in values[column])
        ),
    )
    try:
        frame.write_parquet(output)
    except OSError as error:
        raise BadInput(f"--output: {output} cannot be written: {error}") from error
