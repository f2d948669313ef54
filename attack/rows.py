"""The rows of the attack on a venue, in the order in which they are played."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from msgspec.structs import replace

from attack import plays
from attack.markets import ADVANCED, EXCHANGE, LIMITED, MARKETS, OKX, SPOT, USUAL, Market
from attack.row import Fault, Row

DROPS: Fault = {"kind": "drop", "rate": 0.01}  # gives the repair something to do
CUTS: Fault = {"kind": "disconnect", "every": 4.0}

CONNECTION: tuple[Fault, ...] = (
    {"kind": "disconnect", "every": 3.0},
    {"kind": "reset", "every": 3.0},
    {"kind": "half_open", "at": 1.0, "every": 12.0},
    {"kind": "silent", "at": 1.0, "every": 8.0, "lasts": 0.5},
    {"kind": "mute", "at": 1.0, "every": 8.0},
    {"kind": "server_shutdown", "every": 4.0, "seconds": 1.5},
    {"kind": "notice", "every": 4.0, "seconds": 1.5},
    {"kind": "heartbeats_lost", "at": 1.0, "every": 15.0, "lasts": 8.0},
    {"kind": "close_24h", "every": 5.0},
)
FRAMES: tuple[Fault, ...] = (
    {"kind": "drop", "rate": 0.02},
    {"kind": "double", "rate": 0.02},
    {"kind": "reorder", "rate": 0.02, "places": 50},
    {"kind": "malformed", "rate": 0.005},
    {"kind": "delay", "every": 3.0, "seconds": 0.8},
    {"kind": "late_close", "every": 3.0, "seconds": 4.0},
    {"kind": "missing_close", "every": 3.0},
)
REQUESTS: tuple[Fault, ...] = (
    {"kind": "http_429", "at": 1.0, "every": 5.0, "retry_after": 1.0},
    {"kind": "http_418", "at": 2.0, "every": 12.0, "ban_seconds": 3.0},
    {"kind": "http_5xx", "every": 2.0},
    {"kind": "http_50011", "at": 2.0, "every": 6.0},
    {"kind": "slow_rest", "every": 3.0, "seconds": 1.5},
    {"kind": "page_split", "every": 2.0},
    {"kind": "rest_lag", "at": 1.0, "every": 8.0, "lasts": 4.0, "seconds": 1.0},
    {"kind": "slow_source", "at": 1.0, "every": 10.0, "lasts": 5.0, "seconds": 1.0},
)
PAGES: tuple[Fault, ...] = tuple(
    {"kind": "wrong_page", "mode": mode, "at": 1.0 + place, "every": 4.0}
    for place, mode in enumerate(("outside", "repeat", "other", "bars"))
)
ALL: tuple[Fault, ...] = tuple(
    {**fault, "every": 4.0 * fault["every"]} if "every" in fault else {**fault, "rate": fault["rate"] / 2}
    for fault in (*CONNECTION, *FRAMES, *REQUESTS, *PAGES)
)
REFUSED: tuple[Fault, ...] = ({"kind": "refuse_stream", "at": 1.0, "every": 4.0}, CUTS)


def _kinds(*faults: Fault) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fault["kind"] for fault in faults))


def _alone(fault: Fault, *others: Fault, name: str = "", **more: Any) -> Row:
    """One kind, with what has to happen so that it can strike at all."""
    kind = fault["kind"]
    about = f"{kind} alone" + (f", with {' and '.join(_kinds(*others))} so that it can strike" if others else "")
    return Row(name=name or kind, about=about, play=plays.watched, faults=(fault, *others), kinds=(kind,), **more)


def _together(name: str, about: str, *faults: Fault, **more: Any) -> Row:
    return Row(name=name, about=about, play=plays.watched, faults=faults, **more)


MINUTES = (
    *(_alone(fault) for fault in CONNECTION),
    _alone(*REFUSED),
    *(_alone(fault) for fault in FRAMES),
    *(_alone(fault, DROPS) for fault in REQUESTS),
    Row(
        name="clock_skew", about="the venue's clock is an hour off whenever the collector starts again",
        play=plays.restarted, kinds=("clock_skew",),
        faults=({"kind": "clock_skew", "at": 1.0, "lasts": 0, "seconds": 3600.0}, DROPS),
    ),
    _alone({"kind": "http_429", "at": 2.0, "retry_after": False}, DROPS, name="http_429_without_retry_after"),
    _alone(
        {"kind": "http_418", "at": 2.0, "ban_seconds": 8.0, "retry_after": False}, DROPS,
        name="http_418_without_retry_after",
    ),
    *(_alone(fault, DROPS, FRAMES[-1], name=f"wrong_page_{fault['mode']}") for fault in PAGES),
    _together("connections", "all faults of connections", *CONNECTION, *REFUSED, short=True),
    _together("frames", "all faults of frames", *FRAMES, kinds=_kinds(*FRAMES[:5]), short=True),
    _together("requests", "all faults of requests", *REQUESTS, DROPS, kinds=_kinds(*REQUESTS[:3]), short=True),
    _together("pages", "wrong pages of all kinds", *PAGES, DROPS, FRAMES[-1], kinds=("wrong_page",), short=True),
    Row(
        name="sequence_reset", about="the numbers of the books begin anew", play=plays.books, kinds=("sequence_reset",),
        faults=({"kind": "sequence_reset", "every": 3.0},),
    ),
    Row(name="calm", about="the preset", play=plays.watched, faults="calm"),
    Row(name="storm", about="the preset", play=plays.watched, faults="storm", short=True),
)  # fmt: skip
"""A minute or so of the market each, under some script."""

CHANGES: tuple[Fault, ...] = (
    {"kind": "drop", "rate": 0.02},
    {"kind": "reorder", "rate": 0.01, "places": 50},
    {"kind": "double", "rate": 0.01},
    {"kind": "malformed", "rate": 0.005},
)
BOOKS: tuple[Fault, ...] = (
    {"kind": "disconnect", "every": 3.0},
    {"kind": "reset", "every": 5.0},
    {"kind": "sequence_reset", "every": 5.0},
)

_KEY = generate_private_key(SECP256R1())
_PUBLIC = _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
_SECRET = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
TOKENS = {"jwt_required": True, "token_ends_stream": True, "token_s": 12.0, "jwt_key": _PUBLIC}
SIGNED, RENEWED = f"api_secret={json.dumps(_SECRET)}", 'token_life="12s"'

ELSEWHERE = tuple(
    Row(
        name=f"storm_on_{name}", about=f"the preset, on {venue}", play=plays.watched, faults="storm", venue=venue,
        short=True, long=venue == SPOT,
    )
    for name, venue in (
        ("spot", SPOT), ("okx", OKX), ("coinbase", EXCHANGE), ("coinbase_advanced", ADVANCED),
    )
)  # fmt: skip
"""Beside the rows of the usual venue, one of each other, which have attacks of their own."""

LIVES = (
    _together("everything", "all kinds of faults at once", *ALL, *REFUSED),
    Row(name="killed", about="SIGKILL, again and again, in a storm", play=plays.killed, faults="storm", short=True),
    Row(
        name="killed_early", about="SIGKILL in the first moments of each life, bars closing every second",
        play=plays.killed_early, instruments=8, speed=60.0,
    ),
    Row(name="paused", about="SIGSTOP for 90 s (short: 10 s)", play=plays.paused, short=True, seeds=1),
    Row(name="disk_full", about="no room for the store; then there is", play=plays.disk_full, speed=100.0, short=True),
    Row(name="budget_disk_full", about="no room for budgets; then there is", play=plays.budget_full, short=True),
    Row(name="slow_disk", about="every commit takes 0.4 s and more", play=plays.slow_disk, speed=100.0, short=True),
    Row(
        name="stalled_disk", about="no commit for 60 s (short: 8 s) at 5,000 messages/s", play=plays.stalled,
        instruments=4, speed=330.0, short=True, seeds=1,
    ),
)  # fmt: skip
"""What befalls the process and its disk."""


def _limits(market: Market) -> Iterator[Row]:
    """Limits that are other ones than are announced or known, felt by a repair of many pages."""
    for name, about, short, faults, limits in (
        (
            "limit_far_below", "the venue enforces an eighth of its limit, without notice", True,
            ({"kind": "limit_change", "at": 0.0, "factor": 0.125, "lasts": 0},), {},
        ),
        (
            "limit_halved", "half the limit holds, without notice", False,
            ({"kind": "limit_change", "at": 1.0, "lasts": 0},), {},
        ),
        (
            "limit_300", "the venue announces and enforces 300, our table says 2,400", False, (),
            {"weight_limit": 300},
        ),
    ):  # fmt: skip
        speed, down = market.limited.get(name, LIMITED[name])
        play = partial(plays.limited, down_market_s=down, announced=not faults, by_minute=market.by_minute)
        yield Row(
            name=name, about=about, play=play, instruments=1, speed=speed, faults=faults, limits=limits,
            kinds=_kinds(*faults), short=short,
        )  # fmt: skip


def _changes(market: Market) -> Iterator[Row]:
    """What is changed of a running collector, and what the venue changes."""
    unpaced = (market.setting("streams_per_connection=1"), market.setting("connects_per_5m=100000"))
    no_files = (market.setting("archive=false"),)
    yield Row(
        name="rotations", about="10,000 forced rotations over at least 100 connections",
        play=plays.rotated, instruments=100 // market.routes, speed=20.0,
        limits=dict(market.free), seeds=1, sets=unpaced,
    )  # fmt: skip
    yield Row(
        name="rotations_short", about="100 forced rotations over at least 6 connections",
        play=plays.rotated, instruments=6 // market.routes, limits=dict(market.free), sets=unpaced,
        short=True, long=False,
    )  # fmt: skip
    if market.name == ADVANCED:
        yield Row(
            name="tokens", about="connections end with their tokens, over two hours of the market",
            play=plays.renewed, speed=60.0, limits=TOKENS, sets=(market.setting(SIGNED), market.setting(RENEWED)),
            short=True, seeds=1,
        )  # fmt: skip
    if market.name != USUAL:
        faults = (*BOOKS, *CHANGES) if market.numbered else BOOKS
        yield Row(
            name="books", about="whole books of everything, whose connections break and whose changes are lost",
            play=plays.books, faults=faults, kinds=_kinds(*faults),
        )  # fmt: skip
    yield Row(
        name="banned_in_repair", about="a 418 in the middle of a repair of many pages", play=plays.banned_in_repair,
        speed=60.0, kinds=("http_418",), short=True,
    )  # fmt: skip
    yield Row(
        name="restarted_while_banned", about="the collector starts again and again while it is banned",
        play=plays.restarted_while_banned, kinds=("http_418",), short=True,
    )  # fmt: skip
    yield Row(
        name="listed_and_delisted", about="a symbol is listed and collected, another is delisted",
        play=plays.listed_and_delisted, kinds=("listing", "delisting"), short=True,
    )  # fmt: skip
    yield Row(
        name="unfillable", about="100 ids that no source has any more", play=plays.unfillable, instruments=2,
        sets=no_files, kinds=("forget",), permanent=True, short=True,
    )  # fmt: skip
    yield Row(
        name="forgotten", about="a hole that is older than what the venue answers for", play=plays.forgotten,
        instruments=1, speed=60.0, sets=no_files, kinds=("forget",), permanent=True,
    )  # fmt: skip
    yield Row(
        name="network_down", about="the venue hangs for 10 s (short: 4 s), dies and comes back in the same world",
        play=plays.network_down, short=True,
    )  # fmt: skip


def rows(venue: str) -> tuple[Row, ...]:
    """Give the rows of a venue, the longest of the short form first, so that the others are played beside it."""
    market = MARKETS[venue]
    first, then = every(market)
    return (*_fitting(first, market), *(ELSEWHERE if venue == USUAL else ()), *_fitting(then, market))


def every(market: Market) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Give all rows that there are, also those that a market lacks, in two parts."""
    return (*_limits(market), *MINUTES), (*LIVES, *_changes(market))


def lacking(row: Row, market: Market) -> str:
    """Say why a row is none of a market: it is about what that does not have; "" where it is one."""
    if row.name in market.lacks or not row.kinds:
        return market.lacks.get(row.name, "")
    return "" if any(kind in market.kinds for kind in row.kinds) else market.lacks[row.kinds[0]]


def _fitting(some: tuple[Row, ...], market: Market) -> Iterator[Row]:
    """Put rows on a market: those that are its own, without the faults that its protocol does not have."""
    for row in some:
        if lacking(row, market):
            continue
        faults, kinds = row.faults, tuple(kind for kind in row.kinds if kind in market.kinds)
        if not isinstance(faults, str):
            faults = tuple(fault for fault in faults if fault["kind"] in market.kinds)
        yield replace(row, venue=market.name, faults=faults, kinds=kinds)


def named(name: str, venue: str = USUAL) -> list[Row]:
    """Give the rows of a name."""
    return [row for row in rows(venue) if row.name == name]
