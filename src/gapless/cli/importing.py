"""`gapless import`: the venue's archive files onto the tape."""

from pathlib import Path
from typing import Annotated

import typer

from gapless.cli.options import AsJson, Store


def import_files(
    files: Annotated[list[Path], typer.Argument(help="Archive files: zip, csv, csv.gz, csv.zst.", metavar="FILE ...")],
    venue: Annotated[str, typer.Option("--venue", help="The venue they come from.")],
    store: Store = None,
    json: AsJson = False,
) -> int:
    """Import the venue's archive files (aggTrades, trades, 1m klines); twice changes nothing."""
    import msgspec
    from rich.console import Console
    from rich.progress import Progress

    from gapless.adapters import open_store
    from gapless.collect.importing import import_file, named
    from gapless.venues.registry import venue as find

    market = find(venue)
    for file in files:
        if not file.is_file():
            from gapless.errors import UnknownName

            raise UnknownName(f"there is no file {file}")
        named(market, file)
    database = open_store(store, environment="live")
    results = []
    with Progress(console=Console(stderr=True), transient=True, disable=json) as bar:
        for file in files:
            task = bar.add_task(file.name, total=None)
            done = import_file(
                database,
                market,
                file,
                progress=lambda n, total, task=task: bar.update(task, completed=n, total=total),  # type: ignore[misc]
            )
            results.append(done)
            if not json:
                checked = "checksum matched" if done.verified else "no checksum file, own sha256 kept"
                what = f"{done.rows:,} rows" if done.added else "already imported, nothing changed"
                print(f"{done.file}: {done.instrument} {done.kind}, {what} ({checked})")
    database.close()
    if json:
        print(msgspec.json.encode(results).decode())
    return 0
