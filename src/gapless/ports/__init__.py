"""The ports: what the shell needs of the outside, one screen each."""

from gapless.ports.network import Clock, Http, Reply, Socket, SocketEvents, Sockets
from gapless.ports.storage import (
    BudgetStore,
    ExpiredKind,
    HostRecord,
    JobRow,
    Locks,
    MinuteRow,
    Reads,
    Removal,
    RowKind,
    TapeReader,
    TapeStore,
    Transaction,
)

__all__ = [
    "BudgetStore",
    "Clock",
    "ExpiredKind",
    "HostRecord",
    "Http",
    "JobRow",
    "Locks",
    "MinuteRow",
    "Reads",
    "Removal",
    "Reply",
    "RowKind",
    "Socket",
    "SocketEvents",
    "Sockets",
    "TapeReader",
    "TapeStore",
    "Transaction",
]
