"""What a collector needs of the outside."""

from collections.abc import Callable

from msgspec import Struct

from gapless.collect.pipeline import Fast
from gapless.ports import BudgetStore, Clock, Http, Locks, Sockets, TapeReader, TapeStore


class Outside(Struct, frozen=True):
    """Ports, and whom a collector tells: `note` of events, `fast` of trades on arrival, `record` of frames."""

    store: TapeStore
    reader: TapeReader
    http: Http
    sockets: Sockets
    budgets: BudgetStore
    clock: Clock
    note: Callable[..., None]
    fast: Fast
    record: Callable[[str, list[bytes], int], None]
    locks: Locks
