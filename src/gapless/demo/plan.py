"""What is to be shown, and where a demonstration keeps things."""

import shutil
from pathlib import Path

from msgspec import Struct

from gapless.store.sqlite import sqlite_path


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be shown."""

    duration: float | None
    captures: list[Path]
    venue: str
    speed: float
    seed: int
    instruments: int
    faults: str
    store: str | None
    keep: bool
    sets: list[str]
    json: bool


class Files(Struct, frozen=True):
    """Where a demonstration keeps things: beside its store."""

    store_url: str
    journal: Path
    world: Path
    state: Path
    logs: Path


def files_of(store: str | None, folder: Path) -> Files:
    """Lay out the files; a store that does not exist yet begins a new world."""
    path = Path(sqlite_path(store)) if store else folder / "demo.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    files = Files(
        f"sqlite:///{path}",
        path.with_name(path.name + ".journal.jsonl"),
        path.with_name(path.name + ".world.json"),
        path.with_name(path.name + ".state"),
        path.with_name(path.name + ".logs"),
    )
    if not path.exists():
        files.journal.unlink(missing_ok=True)
        files.world.unlink(missing_ok=True)
        shutil.rmtree(files.state, ignore_errors=True)
    files.logs.mkdir(parents=True, exist_ok=True)
    return files
