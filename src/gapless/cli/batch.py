"""`gapless footprint --batch`: many candles of a file at once."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from gapless.errors import BadInput
from gapless.model import Environment
from gapless.query.footprint_batch import Item

_COLUMNS = ("id", "timeframe", "start", "outcome", "volume", "delta", "poc", "quality", "error")


def print_batch(file: str, *, store: str | None, environment: Environment | None, epoch: str | None, json: bool) -> int:
    """Print the footprints of a file's candles, as JSON or a line each; 1 where one is not whole."""
    from gapless.adapters import open_store
    from gapless.cli.output import write_rows
    from gapless.query.footprint_batch import footprint_batch
    from gapless.query.market import Market

    items = read_items(file)
    market = Market(open_store(store, environment=environment, readonly=True))
    with _shown(len(items)) as progress:
        answer = footprint_batch(market, items, progress=progress, epoch=epoch)
    if json:
        print(msgspec.json.encode(answer).decode())
    else:
        write_rows(_COLUMNS, map(_line, answer["results"]), form="table", output=None)
        print(f"{answer['requested']} asked for, {answer['successful']} whole, {answer['failed']} not")
    return 1 if answer["failed"] else 0


def read_items(file: str) -> list[Item]:
    """Read candles, a line each: id,timeframe,start, or a JSON object of these; `-` is standard input."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except OSError as error:
        raise BadInput(f"--batch: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"--batch: {file} is no text in UTF-8") from error
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if lines and lines[0][1].replace(" ", "") == "id,timeframe,start":
        del lines[0]
    return [_item(file, number, line) for number, line in lines]


def _item(file: str, number: int, line: str) -> Item:
    if line.startswith("{"):
        try:
            return msgspec.json.decode(line, type=Item)
        except msgspec.DecodeError as error:
            raise BadInput(f"--batch: line {number} of {file} is no candle: {error}") from error
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 3:
        raise BadInput(f"--batch: line {number} of {file} is no candle; allowed is id,timeframe,start or JSON of these")
    return Item(*parts)


def _line(result: dict[str, Any]) -> dict[str, Any]:
    row = {name: result.get(name) for name in _COLUMNS}
    return row | {"quality": (row["quality"] or {}).get("score")}


@contextmanager
def _shown(total: int) -> Iterator[Callable[[int, int], None]]:
    """Show progress where somebody looks at a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("footprints", total=total)
        yield lambda done, _: bar.update(task, completed=done)
