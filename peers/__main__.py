"""Plays the same attack on other collectors: `make peers`, `make peers ARGS="--only storm --client ccxt"`."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from rich.console import Console

from peers.play import Played, play
from peers.rows import CLIENTS, CONDITIONS, INSTRUMENTS, SPEED, Client, Condition
from peers.show import machine, markdown, say, table, who

PYTHON = Path(".venv-peers/bin/python")
FAILED = 3


def options(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="peers", description=__doc__)
    parser.add_argument("--only", action="append", metavar="CONDITION", help="play only this one; may be repeated")
    parser.add_argument("--client", action="append", metavar="NAME", help="play only this one; may be repeated")
    parser.add_argument("--seed", action="append", type=int, metavar="N", help="play with this seed (1 and 2)")
    parser.add_argument("--seconds", type=float, default=45.0, help="how long faults strike (45)")
    parser.add_argument("--recover", type=float, default=30.0, help="how long a client may recover after that (30)")
    parser.add_argument("--jobs", type=int, default=8, help="plays at a time, each with its own simulator (8)")
    parser.add_argument("--python", type=Path, default=PYTHON, help=f"the Python that has the clients ({PYTHON})")
    parser.add_argument("--json", action="store_true", help="print every play as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the files of every play in this folder")
    chosen = parser.parse_args(words)
    for flag, given, allowed in (
        ("--only", chosen.only, [condition.name for condition in CONDITIONS]),
        ("--client", chosen.client, [client.name for client in CLIENTS]),
    ):
        for name in given or ():
            if name not in allowed:
                parser.error(f"{flag} {name!r} is not known; allowed are {', '.join(allowed)}")
    for flag, number, least, most in (
        ("--jobs", chosen.jobs, 1, 16), ("--seconds", chosen.seconds, 1, 600), ("--recover", chosen.recover, 0, 600)
    ):  # fmt: skip
        if not least <= number <= most:
            parser.error(f"{flag} {number:g} is not allowed; give {least} to {most}")
    if not chosen.python.exists():
        parser.error(f"--python: there is no {chosen.python}; `make peers` makes {PYTHON}")
    return chosen


def lacking(client: Client, python: Path) -> str:
    """Say why a client cannot be played in the environment of the clients, or nothing."""
    if not client.driver:
        return ""
    asked = f"import importlib.metadata as m; m.version({client.distribution!r})"
    told = subprocess.run([str(python), "-c", asked], capture_output=True, check=False)
    return f"{client.distribution} is not installed; requirements/peers.txt says for which Python" * (
        told.returncode != 0
    )


def compare(chosen: argparse.Namespace, root: Path, halt: threading.Event) -> list[Played]:
    """Play every condition with every client and seed, some at a time."""
    python = chosen.python.absolute()  # not resolved: the link is what makes it an environment of its own
    clients = [client for client in CLIENTS if not chosen.client or client.name in chosen.client]
    why = {client.name: lacking(client, python) for client in clients}
    todo = [
        (client, condition, seed)
        for seed in chosen.seed or (1, 2)
        for condition in CONDITIONS
        if not chosen.only or condition.name in chosen.only
        for client in clients
    ]
    done = 0

    def one(client: Client, condition: Condition, seed: int) -> Played:
        nonlocal done
        played = Played(condition=condition.name, client=client.name, seed=seed, failed=why[client.name])
        played.absent = bool(played.failed)
        if not played.failed and not halt.is_set():
            folder = root / f"{condition.name}-{client.name}-{seed}".replace(" ", "-")
            played = play(
                client, condition, seed, folder, python=python, seconds=chosen.seconds, recover=chosen.recover
            )
        done += 1
        loss = played.loss
        told = played.failed or f"{loss.missing:,} of {loss.sent:,} trades missing, {loss.doubled:,} doubled"
        say(f"[{done}/{len(todo)}] {condition.name}, {client.name}, seed {seed}: {told}")
        return played

    with ThreadPoolExecutor(chosen.jobs) as pool:
        futures = [pool.submit(one, *work) for work in todo]
        try:
            while not all(future.done() for future in futures):
                time.sleep(0.2)
        except KeyboardInterrupt:
            halt.set()
            raise
    return [future.result() for future in futures]


def _terminated(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(words: list[str]) -> int:
    """Play and report; 3 where a client that is installed could not be played."""
    chosen = options(words)
    signal.signal(signal.SIGTERM, _terminated)
    root = chosen.keep or Path(tempfile.mkdtemp(prefix="gapless-peers-"))
    began = time.monotonic()
    try:
        found = compare(chosen, root.resolve(), threading.Event())
    except KeyboardInterrupt:
        return 130
    finally:
        if not chosen.keep:
            shutil.rmtree(root, ignore_errors=True)
    ran = (
        f"{machine()}; binance (USD-M), {INSTRUMENTS} instruments at {SPEED:g} x, {chosen.seconds:g} s of faults and "
        f"{chosen.recover:g} s to recover, {chosen.jobs} plays at a time, {time.monotonic() - began:.0f} s in all"
    )
    if chosen.json:
        print(json.dumps({"ran": ran, "plays": msgspec.to_builtins(found)}))
    elif chosen.markdown:
        print(f"{ran}.\n\n{markdown(found)}")
    else:
        Console(width=None if sys.stdout.isatty() else 220).print(table(found))
        for client in CLIENTS:
            print(f"{client.name} {who(found, client.name)}: {client.mode}")
        print(ran)
    return FAILED if any(one.failed and not one.absent for one in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
