"""Names the concrete adapters: which store a URL means."""

import os

from gapless.model import Environment
from gapless.store.sqlite import SqliteStore, sqlite_path

DEFAULT_STORE = "sqlite:///gapless.db"


def store_url(url: str | None) -> str:
    """Give the store that is meant: the one named, else `GAPLESS_STORE`, else `./gapless.db`."""
    return url or os.environ.get("GAPLESS_STORE") or DEFAULT_STORE


def open_store(url: str | None, *, environment: Environment | None = None, readonly: bool = False) -> SqliteStore:
    """Open a store by its URL."""
    return SqliteStore(sqlite_path(store_url(url)), environment=environment, readonly=readonly)
