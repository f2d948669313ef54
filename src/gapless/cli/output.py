"""Prints rows in the format asked for."""

import sys
from collections.abc import Iterable, Sequence
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
    wrapped: dict[str, Any] | None = None,
) -> None:
    """Write rows as a table, CSV, JSON or Parquet; `wrapped` is the JSON object that carries them."""
    if form not in FORMATS:
        raise BadInput(f"--format: {form!r} is not allowed; allowed are {', '.join(FORMATS)}")
    if form == "parquet":
        _parquet(columns, rows, output)
        return
    with _target(output) as out:
        if form == "csv":
            out.writelines(line + "\n" for line in csv_lines(columns, rows))
        elif form == "json":
            out.write(msgspec.json.encode(wrapped if wrapped is not None else list(rows)).decode() + "\n")
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
    for line in [list(columns), *cells]:
        out.write("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _parquet(columns: Sequence[str], rows: Iterable[dict[str, Any]], output: Path | None) -> None:
    import polars

    if output is None:
        raise BadInput("--format parquet needs --output FILE")
    table = list(rows)
    frame = polars.DataFrame({column: [row[column] for row in table] for column in columns})
    try:
        frame.write_parquet(output)
    except OSError as error:
        raise BadInput(f"--output: {output} cannot be written: {error}") from error
