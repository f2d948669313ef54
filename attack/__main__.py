"""Plays the attack: `make attack`, `make attack ATTACK=short VENUE=okx`, `python -m attack --only storm --seed 7`."""

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from difflib import get_close_matches
from pathlib import Path

import msgspec
from msgspec.structs import replace
from rich.console import Console

from attack.markets import MARKETS, USUAL
from attack.measure import measure
from attack.row import Figures, Row
from attack.rows import every, lacking, rows
from attack.show import Progress, markdown, table
from attack.stage import SETTLES_WITHIN, Stage, Stopped

SHORT_JOBS = 3
ALL = "all"


def options(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="attack", description=__doc__)
    parser.add_argument("form", nargs="?", default="long", help="long or short")
    parser.add_argument("--venue", default=USUAL, help=f"{', '.join(MARKETS)} or {ALL} ({USUAL})")
    parser.add_argument("--only", action="append", metavar="ROW", help="play only this row; may be repeated")
    parser.add_argument("--seed", action="append", type=int, metavar="N", help="play with this seed; may be repeated")
    parser.add_argument("--jobs", type=int, metavar="N", help="rows played at a time (long 1, short 3)")
    parser.add_argument("--settle", type=float, default=SETTLES_WITHIN, metavar="S", help="let it settle for so long")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    parser.add_argument("--list", action="store_true", help="say which rows there are")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the files of every row in this folder")
    chosen = parser.parse_args(words)
    if chosen.form not in ("long", "short"):
        parser.error(f"there is no form {chosen.form!r}; allowed are long, short")
    if chosen.jobs is not None and not 1 <= chosen.jobs <= 8:
        parser.error(f"--jobs {chosen.jobs} is not allowed; give 1 to 8")
    if chosen.venue not in (*MARKETS, ALL):
        near = get_close_matches(chosen.venue, (*MARKETS, ALL), 1)
        parser.error(
            f"there is no venue {chosen.venue!r}; allowed are {', '.join(MARKETS)} and {ALL}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    names = {row.name for venue in venues(chosen) for row in rows(venue)}
    for name in chosen.only or ():
        if name not in names:
            why = next((why for venue in venues(chosen) for other, why in left_out(venue) if other == name), "")
            near = get_close_matches(name, names, 1)
            hint = f"; {why}" if why else f"; did you mean {near[0]!r}?" if near else ""
            parser.error(f"there is no row {name!r}{hint} (--list names them)")
    return chosen


def venues(chosen: argparse.Namespace) -> list[str]:
    """Give the venues that are attacked."""
    return list(MARKETS) if chosen.venue == ALL else [chosen.venue]


def left_out(venue: str) -> list[tuple[str, str]]:
    """List the rows that a venue does not have, each with the reason."""
    market = MARKETS[venue]
    return [(row.name, why) for part in every(market) for row in part if (why := lacking(row, market))]


def chosen_rows(chosen: argparse.Namespace) -> list[tuple[Row, int]]:
    """Give every row to play with its seed; one that was named is played whichever form it belongs to."""
    short = chosen.form == "short"
    found: list[Row] = []
    for venue in venues(chosen):
        own = [row for row in rows(venue) if chosen.venue != ALL or row.venue == venue]
        if chosen.only:
            some = [row for name in chosen.only for row in own if row.name == name]
        else:
            some = [row for row in own if (row.short if short else row.long)]
        found += [replace(row, name=f"{venue} {row.name}") for row in some] if chosen.venue == ALL else some
    return [
        (row, seed) for row in found for seed in chosen.seed or range(1, 2 if short or chosen.only else 1 + row.seeds)
    ]


def play(row: Row, seed: int, folder: Path, halt: threading.Event, *, short: bool, settle_s: float) -> Figures:
    """Play one row; one that could not be played falls short."""
    began = time.monotonic()
    folder.mkdir(parents=True)
    stage: Stage | None = None
    try:
        stage = Stage(row, seed, folder, short=short, halt=halt, settle_s=settle_s)
        row.play(stage)
        figures = measure(stage)
    except Stopped:
        raise
    except Exception as error:
        figures = Figures(row=row.name, seed=seed, shortfalls=[f"could not be played: {error or type(error).__name__}"])
        if stage is not None:
            figures.notes, figures.rss_mb = stage.notes, stage.rss_mb
            figures.shortfalls += stage.shortfalls
    finally:
        trouble = _cleared(stage) if stage is not None else ""
    if trouble:
        figures.shortfalls.append(trouble)
    figures.took_s = round(time.monotonic() - began, 1)
    return figures


def _cleared(stage: Stage) -> str:
    """End what a row has started; say what went wrong with that."""
    try:
        stage.clear()
    except Exception as error:
        return f"could not be cleared away: {error or type(error).__name__}"
    return ""


def attack(chosen: argparse.Namespace) -> tuple[list[Figures], bool]:
    """Play the chosen rows, some at a time; give the figures in order, and whether all of them were played."""
    short = chosen.form == "short"
    todo = chosen_rows(chosen)
    halt = threading.Event()
    root = chosen.keep or Path(tempfile.mkdtemp(prefix="gapless-attack-"))

    def one(place: int, row: Row, seed: int, progress: Progress) -> Figures:
        if halt.is_set():
            raise Stopped
        label = f"{row.name} (seed {seed})"
        progress.begin(label)
        folder = root / f"{place:03}-{row.name.replace(' ', '-')}-{seed}"
        figures = play(row, seed, folder.resolve(), halt, short=short, settle_s=chosen.settle)
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
        progress.end(label, figures)
        return figures

    with Progress(len(todo)) as progress, ThreadPoolExecutor(chosen.jobs or (SHORT_JOBS if short else 1)) as pool:
        futures: list[Future[Figures]] = []
        try:
            futures = [pool.submit(one, place, row, seed, progress) for place, (row, seed) in enumerate(todo)]
            while not all(future.done() for future in futures):
                progress.tell()
                time.sleep(0.2)
        except KeyboardInterrupt:
            halt.set()
        finally:
            pool.shutdown(cancel_futures=halt.is_set())
            if not chosen.keep:
                shutil.rmtree(root, ignore_errors=True)
    stopped = [future.cancelled() or isinstance(future.exception(), Stopped) for future in futures]
    return [future.result() for future, ended in zip(futures, stopped, strict=True) if not ended], not any(stopped)


def _terminated(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _list(chosen: argparse.Namespace) -> None:
    """Say which rows there are, and which there are not."""
    for venue in venues(chosen):
        print(*([f"{venue}:"] if chosen.venue == ALL else []), sep="")
        for row in rows(venue):
            forms = ", ".join(name for name, part in (("short", row.short), ("long", row.long)) if part)
            print(f"{row.name:32} {forms:12} {row.about}")
        for name, why in left_out(venue):
            print(f"{name:32} {'-':12} left out: {why}")


def main(words: list[str]) -> int:
    """Play and report; 0 only when no row falls short."""
    chosen = options(words)
    if chosen.list:
        _list(chosen)
        return 0
    signal.signal(signal.SIGTERM, _terminated)
    found, whole = attack(chosen)
    if chosen.json:
        rows = [{**msgspec.to_builtins(figures), "whole": figures.whole} for figures in found]
        print(msgspec.json.encode(rows).decode())
    elif chosen.markdown:
        print(markdown(found))
    else:
        Console(width=None if sys.stdout.isatty() else 200).print(table(found))
        for figures in found:
            for text in (*figures.shortfalls, *figures.notes):
                print(f"{figures.row} (seed {figures.seed}): {text}")
    return 130 if not whole else 0 if all(figures.whole for figures in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
