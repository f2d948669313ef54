"""What is to be shown, and where a demonstration keeps things."""

import shutil
from pathlib import Path

import msgspec
from msgspec import Struct

from gapless.errors import BadInput
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


def files_of(plan: Plan, folder: Path) -> Files:
    """Lay out the files; a store that does not exist yet begins a new world, another goes on in its own."""
    store = plan.store
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
    _same_world(plan, path, path.with_name(path.name + ".plan.json"))
    files.logs.mkdir(parents=True, exist_ok=True)
    return files


def _same_world(plan: Plan, store: Path, kept: Path) -> None:
    """Refuse to go on in a store with the market of another world: its ids would lie among the others."""
    world = {
        "venue": plan.venue,
        "captures": [capture.name for capture in plan.captures],
        "seed": None if plan.captures else plan.seed,
        "instruments": None if plan.captures else plan.instruments,
        "speed": plan.speed,
    }
    if store.exists() and kept.exists():
        before = msgspec.json.decode(kept.read_bytes())
        for name, value in world.items():
            if before.get(name) != value:
                raise BadInput(
                    f"{store} holds a demonstration with {name} {before.get(name)}, not {value}; "
                    f"go on with the same, or name another store"
                )
    kept.write_bytes(msgspec.json.encode(world))
