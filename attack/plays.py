"""What people, machines, disks and networks do to a collector."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from attack.processes import Collector, ask
from attack.stage import Stage

LEVELS = 20
BOOK_MS = 2_000  # of the market: no book is silent for longer
FULL = 3  # the exit status of a collector that its disk ended


def watched(stage: Stage) -> None:
    """Let the script of the simulator play."""
    stage.collect()
    stage.play(9, 30)
    stage.end()


def renewed(stage: Stage) -> None:
    """Let the tokens of connections end again and again; each must have been replaced before."""
    stage.collect(sets=[f'venues.{stage.row.venue}.api_key="{stage.sim.key}"'])
    stage.play(15, 120)
    stage.end()


def books(stage: Stage) -> None:
    """Keep the whole book of everything while the script plays: each must be the venue's in the end."""
    stage.collect(sets=[f"collect.books={json.dumps(stage.ids)}"])
    stage.play(9, 30)
    stage.end(meanwhile=lambda: stage.until(lambda: _same_books(stage), "every book to be that of the venue"))


def _same_books(stage: Stage) -> bool:
    """Say whether every book is live, of the last moments, and that of the venue, level by level."""
    stop = stage.venue_state()["market_ms"]
    for name, symbol in zip(stage.ids, stage.sim.symbols, strict=True):
        mine = ask(f"{stage.run.api}/api/v1/book?id={name}&depth={LEVELS}")
        if not mine or mine.get("state") != "live":
            return False
        at = round(datetime.fromisoformat(mine["time"]).timestamp() * 1_000)
        theirs = stage.sim.book(symbol, at, LEVELS)
        told = 1 if theirs["contracts"] else 2  # sizes in contracts are not ours
        for side in ("bids", "asks"):
            rows = [[[Decimal(text) for text in row[:told]] for row in book[side]] for book in (mine, theirs)]
            if rows[0] != rows[1] or at < stop - BOOK_MS:
                return False
    return True


def killed(stage: Stage) -> None:
    """SIGKILL, again and again, while the storm goes on."""
    _lives(stage, int(stage.length(2, 8)), lasting=(0.5, 4.0), apart=(0.1, 2.0))
    watched(stage)


def _lives(
    stage: Stage, count: int, *, lasting: tuple[float, float], apart: tuple[float, float], ready: bool = True
) -> None:
    """Start the collector so many times, and kill it each time after some seconds."""
    for _ in range(count):
        stage.collect(ready=ready)
        stage.status()
        stage.rest(stage.rng.uniform(*lasting))
        stage.kill()
        stage.rest(stage.rng.uniform(*apart))


def killed_early(stage: Stage) -> None:
    """SIGKILL within the first moments of each life, when first trades, first bars and history come together."""
    stage.collect(rows=1)
    stage.kill()
    _lives(stage, int(stage.length(3, 20)), lasting=(0.0, 1.5), apart=(0.0, 0.5), ready=False)
    watched(stage)


def restarted(stage: Stage) -> None:
    """The script strikes what is asked at a start: the collector is started again while it does."""
    stage.collect()
    stage.play(1.5, 3)
    for _ in range(int(stage.length(1, 4))):
        stage.kill()
        stage.collect()
        stage.play(3, 6)
    stage.end()


def paused(stage: Stage) -> None:
    """SIGSTOP: the process stands still while its sockets fill, and then goes on as if nothing had been."""
    stage.collect()
    stage.run.pause()
    stage.rest(stage.length(10, 90))
    stage.run.go_on()
    stage.play(2, 10)
    stage.end()


def rotated(stage: Stage) -> None:
    """Replace every connection, over and over, while all of them deliver."""
    wanted = int(stage.length(100, 10_000))
    stage.collect()
    stage.until(lambda: all(c["live"] for c in stage.status()["connections"]), "every stream")
    connections = len(stage.status()["connections"])
    stage.require(connections >= stage.length(6, 100), f"only {connections} connections")
    began, done, failed = time.monotonic(), 0, 0
    while done < wanted:
        told = stage.command("/api/v1/rotate", {"connection": None}, timeout=180)
        done, failed = done + len(told["rotated"]), failed + len(told["failed"])
        if failed > wanted // 10:
            raise RuntimeError(f"{failed} rotations failed, the last: {told['failed'][:1]}")
    took = time.monotonic() - began
    stage.notes.append(f"{done} rotations of {connections} connections in {took:.0f} s, {failed} failed")
    stage.require(failed == 0, f"{failed} rotations failed")
    stage.require(took <= 1200, f"the rotations took {took:.0f} s, above 1,200")
    stage.end()


class _Disk:
    """A small disk of its own, by mounting memory; nothing where that is not allowed."""

    def __init__(self, folder: Path, kilobytes: int) -> None:
        self.folder = folder
        folder.mkdir()
        self.mounted = self._mount(f"size={kilobytes}k")

    def _mount(self, options: str) -> bool:
        told = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)], capture_output=True, check=False
        )
        return told.returncode == 0

    def grow(self, kilobytes: int) -> None:
        """Make space."""
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(self.folder)], check=True)

    def __enter__(self) -> "_Disk":
        return self

    def __exit__(self, *error: object) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


def disk_full(stage: Stage) -> None:
    """The disk of the store fills up; later there is room."""
    with _Disk(stage.folder / "disk", 3_000) as disk:
        stage.notes.append("a disk of 3 MB" if disk.mounted else "files of at most 0.8 MB: mounting is not allowed")
        stage.store = disk.folder / "held.db"
        run = stage.collect(ready=False)
        if not disk.mounted:
            run.write_at_most(800_000)
        stage.until(lambda: run.ended, "the disk to be full")
        status, said = stage.part(), run.sentence()
        stage.require(status == FULL and str(stage.store) in said, f"left with status {status}: {said}")
        if disk.mounted:
            disk.grow(512_000)
        stage.collect()
        stage.play(2, 10)
        stage.end()
        stage.store = _moved_off(stage)


def _moved_off(stage: Stage) -> Path:
    """Copy the store from a disk that is about to go."""
    kept = stage.folder / "kept.db"
    with closing(sqlite3.connect(stage.store)) as source, closing(sqlite3.connect(kept)) as target:
        source.backup(target)
    return kept


def budget_full(stage: Stage) -> None:
    """The disk of the machine's budget file fills up; later there is room."""
    with _Disk(stage.folder / "disk", 400) as disk:
        if not disk.mounted:
            raise RuntimeError("a small disk cannot be mounted here, and file limits would strike the store too")
        stage.state = disk.folder
        stage.collect()
        filler = disk.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        stage.sim.fault("drop", symbol=stage.sim.symbols[0], count=50)
        run = stage.run
        end = time.monotonic() + stage.length(8, 20)
        while not run.ended and time.monotonic() < end:
            stage.rest(0.1)
        if run.ended:
            status, said = stage.part(), run.sentence()
            stage.notes.append(f"left with status {status}: {said.replace(str(stage.folder), '')}")
            stage.require(status == FULL, f"left with status {status}: {said}")
        filler.unlink()
        if stage.collector is None:
            stage.collect()
        stage.play(2, 10)
        stage.end()


def _hold(stage: Stage, hold_s: float, pause_s: float, times: int) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-m", "attack.holder", str(stage.store), str(hold_s), str(pause_s), str(times)],
        stdout=subprocess.PIPE, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert child.stdout
    child.stdout.readline()
    return child


def slow_disk(stage: Stage) -> None:
    """Every commit takes long, because another process holds the store most of the time."""
    stage.collect()
    holder = _hold(stage, 0.4, 0.05, int(stage.length(16, 80)))
    try:
        while holder.poll() is None:
            stage.play(0.5, 0.5)
    finally:
        holder.kill()
        holder.wait()
    stage.end()


def stalled(stage: Stage) -> None:
    """The store takes nothing at all for a while, at a high rate of messages."""
    stage.collect(rows=1_000)
    before, seconds = stage.status(), stage.length(8, 60)
    began, resident = time.monotonic(), stage.run.rss_mb
    holder = _hold(stage, seconds, 0.0, 1)
    try:
        while holder.poll() is None:
            stage.play(0.5, 0.5)
    finally:
        holder.kill()
        holder.wait()
    sent = sum(c["frames"] for c in stage.status()["connections"]) - sum(c["frames"] for c in before["connections"])
    rate = sent / (time.monotonic() - began)
    stage.notes.append(f"stalled {seconds:.0f} s, {rate:,.0f} frames/s read, {stage.run.rss_mb - resident:+.0f} MB")
    stage.play(3, 10)
    stage.end()
    stage.notes.append(f"{stage.cut} connections cut by the venue because they were not read")


def banned_in_repair(stage: Stage) -> None:
    """A ban in the middle of a repair of many pages."""
    stage.collect()
    stage.kill()
    stage.rest(stage.length(4, 12))
    before = stage.venue_state()["rest"]["requests"]
    run = stage.collect(ready=False)
    stage.until(lambda: run.ended or stage.venue_state()["rest"]["requests"] >= before + 5, "the repair to begin")
    stage.sim.fault("http_418", ban_seconds=stage.length(4, 15))
    stage.struck("http_418")
    stage.stored(60)
    stage.play(6, 25)
    stage.end()


def restarted_while_banned(stage: Stage) -> None:
    """The collector is started again and again while it is banned: no request may leave."""
    stage.collect()
    stage.sim.fault("http_418", ban_seconds=stage.length(9, 40))
    stage.sim.fault("drop", symbol=stage.sim.symbols[0], count=5)
    stage.struck("http_418")
    until = time.monotonic() + stage.length(8, 38)
    # the block is on disk once the answer was read, and the venue's grace is a quarter of a second
    stage.rest(0.5)
    times = 0
    while times < 2 or time.monotonic() < until - 3:
        stage.kill()
        stage.collect(ready=False)
        stage.rest(stage.rng.uniform(1.0, 2.5))
        times += 1
    stage.notes.append(f"{times} starts while banned")
    stage.stored(60)
    stage.play(2, 10)
    stage.end()


def listed_and_delisted(stage: Stage) -> None:
    """A symbol begins to trade and is collected from then on, another one stops."""
    stage.collect()
    before = set(stage.sim.symbols)
    stage.sim.fault("listing")
    stage.struck("listing")
    (new,) = stage.sim.listed() - before
    added = stage.command("/api/v1/collect", {"add": [f"{stage.sim.venue}:{new}"], "remove": []})
    stage.require(added["added"] == [f"{stage.sim.venue}:{new}"], f"the listed symbol was not added: {added}")
    stage.play(2, 10)
    stage.sim.fault("delisting", symbol=stage.sim.symbols[-1])
    stage.struck("delisting")
    stage.play(8, 30)
    stage.end()
    journal = stage.sim.journal.read_text()
    stage.require(f'"offered","symbol":"{new}"' in journal, f"{new} was never subscribed")


def limited(stage: Stage, *, down_market_s: float, announced: bool = False, by_minute: bool = True) -> None:
    """A repair of more pages than the limit allows; one that is not announced must be felt."""
    stage.collect()
    if by_minute:  # spread over two minutes it might not be felt
        stage.until(lambda: time.time() % 60 < 35, "a minute with time left", within=30)
    stage.kill()
    _, last = _newest(stage.store)
    stage.until(lambda: stage.venue_state()["market_ms"] >= last + 1_000 * down_market_s, "the market to go on")
    stage.collect()
    stage.play(2, 5)
    if not announced:
        stage.until(lambda: stage.venue_state()["rest"]["refused"], "the limit to be felt", within=90)
    stage.end()


def unfillable(stage: Stage) -> None:
    """A hole of which the venue has forgotten the middle, and the archive has nothing."""
    run: Collector = stage.collect()
    stage.until(lambda: not stage.status()["gaps"]["open"], "no hole")
    stage.kill()
    assert run.ended
    symbol = stage.sim.symbols[0]
    last = _newest(stage.store)
    stage.until(lambda: stage.venue_state()["market_ms"] >= last[1] + 60_000, "a minute of the market")
    first = last[0] + 20
    stage.sim.fault("forget", symbol=symbol, first=first, last=first + 99)
    stage.struck("forget")
    stage.lost[f"{symbol} {_kind(stage.store)}"] = [(first, first + 99)]
    stage.collect()
    stage.play(3, 15)
    stage.end()


def forgotten(stage: Stage) -> None:
    """A hole whose older part the venue no longer answers for, by its window of time."""
    stage.collect()
    stage.kill()
    stage.rest(stage.length(5, 10))
    stage.sim.fault("forget", seconds=2.0)
    stage.struck("forget")
    stage.collect()
    stage.play(3, 15)
    stage.end()


def _kind(store: Path) -> str:
    """Give the kind of the tapes of trades."""
    with closing(sqlite3.connect(store)) as connection:
        return str(connection.execute("SELECT kind FROM tape WHERE kind <> 'bars'").fetchone()[0])


def _newest(store: Path) -> tuple[int, int]:
    """Give the newest id of the first tape of trades, and its time in ms."""
    with closing(sqlite3.connect(store)) as connection:
        seq, at = connection.execute(
            "SELECT seq, time FROM trade WHERE tape = (SELECT min(id) FROM tape WHERE kind <> 'bars') "
            "ORDER BY seq DESC LIMIT 1"
        ).fetchone()
    return int(seq), int(at) // 1_000_000


def network_down(stage: Stage) -> None:
    """The venue stops answering with every socket open, dies, and comes back where it was."""
    stage.collect()
    for _ in range(int(stage.length(1, 3))):
        stage.note_venue()
        stage.sim.pause()
        stage.rest(stage.length(4, 10))
        stage.restart_venue()
        before = stage.status()["store"]["rows"]
        stage.stored(before + 100)
    stage.play(2, 10)
    stage.end()
