"""The processes of a row, started and ended by the id that was started."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

LEAVE_WITHIN = 15.0
STARTS_WITHIN = 30.0
_RSS_EVERY = 0.2


def free_port() -> int:
    """Give a port of the loopback that nobody holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(url: str, body: Any = None, *, timeout: float = 30.0) -> Any:
    """Ask for JSON, by POST where there is a body; None where nobody answers, the error's own JSON where it has one."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with contextlib.suppress(ValueError):
            return {"refused": error.code, **json.loads(error.read())}
        return {"refused": error.code}
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


class Process:
    """`python -m MODULE ...`, tied to us by its standard input: when we die, however, it ends too."""

    def __init__(self, folder: Path, module: str, *arguments: str, state: Path | None = None) -> None:
        name = arguments[0] if module == "gapless" else module.rpartition(".")[2]
        self.log = folder / f"{name}-{time.monotonic_ns()}.log"
        environment = {**os.environ, "GAPLESS_STATE": str(state or folder / "state"), "GAPLESS_TETHERED": "1"}
        environment.pop("GAPLESS_STORE", None)
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                cwd=folder, env=environment,
            )  # fmt: skip
        self.stopped = False

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.child.poll() is not None

    def said(self) -> str:
        """What it wrote on standard error."""
        return self.log.read_text(errors="replace")

    def sentence(self) -> str:
        """The last line of its log that is no event: what it ended with."""
        lines = [line for line in self.said().splitlines() if line and not line.startswith("{")]
        return lines[-1] if lines else f"status {self.child.poll()}"

    def write_at_most(self, size: int) -> None:
        """Let none of its files grow beyond so many bytes."""
        psutil.Process(self.child.pid).rlimit(psutil.RLIMIT_FSIZE, (size, size))

    def pause(self) -> None:
        """Stop it in the middle of whatever it does."""
        self.child.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        """Let it go on."""
        self.child.send_signal(signal.SIGCONT)
        self.stopped = False

    def kill(self) -> None:
        """End it with no chance to do anything more."""
        self.child.kill()
        self.child.wait()

    def leave(self) -> int:
        """Ask it to stop and give its status; it is killed when it does not."""
        if self.stopped:
            self.go_on()
        if not self.ended:
            self.child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(LEAVE_WITHIN)
            self.kill()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()
        return int(self.child.returncode)


class Sim(Process):
    """A simulated venue with journal and world, so that it can be killed and started again where it was."""

    def __init__(
        self, folder: Path, *, venue: str, instruments: int, speed: float, seed: int, faults: str, port: int = 0
    ) -> None:
        self.journal = folder / "journal.jsonl"
        super().__init__(
            folder, "gapless", "sim", "--json", "--venue", venue, "--port", str(port), "--journal", str(self.journal),
            "--world", str(folder / "world.json"), "--instruments", str(instruments), "--speed", str(speed),
            "--seed", str(seed), "--faults", faults,
        )  # fmt: skip
        assert self.child.stdout
        greeting = self.child.stdout.readline()
        if not greeting:
            raise RuntimeError(f"the simulator did not start: {self.sentence()}")
        where = json.loads(greeting)
        self.venue, self.url, self.symbols, self.key = venue, where["url"], where["symbols"], where["api_key"]
        self.port = int(self.url.rpartition(":")[2])

    def state(self) -> dict[str, Any]:
        """What it says of itself; raises where it does not answer."""
        found = ask(self.url + "/sim/state")
        if found is None:
            raise RuntimeError("the simulator does not answer")
        return dict(found)

    def book(self, symbol: str, at: int, levels: int) -> dict[str, Any]:
        """The book of a symbol as it stood at a time of the market, ms."""
        return dict(ask(f"{self.url}/sim/book?symbol={symbol}&at={at}&levels={levels}"))

    def listed(self) -> set[str]:
        """The symbols that trade, those too that were listed since it started."""
        lines = [json.loads(line) for line in self.journal.read_bytes().splitlines() if b'"change"' in line]
        return {*self.symbols, *(line["symbol"] for line in lines if line.get("change") == "listing")}

    def fault(self, kind: str, **entry: Any) -> None:
        """Make a fault due now."""
        told = ask(self.url + "/sim/fault", {"kind": kind, **entry})
        if told is None or told.get("error"):
            raise RuntimeError(f"the simulator did not take the fault {kind}: {told}")

    def finish(self) -> None:
        """End the play: faults are lifted, the truth is written."""
        if ask(self.url + "/sim/finish", {}, timeout=120) is None:
            raise RuntimeError("the simulator did not finish")


class Collector(Process):
    """`gapless run` against a simulated venue; the most memory that it held is noted."""

    def __init__(
        self, folder: Path, sim: Sim, store: Path, ids: list[str], sets: list[str], *, state: Path | None = None
    ) -> None:
        port = free_port()
        self.api = f"http://127.0.0.1:{port}"
        own = f"venues.{sim.venue}"
        every = [
            f"{own}.environment=sim", f"{own}.sim_url={sim.url}", f'serve.listen=["127.0.0.1:{port}"]',
            "store.min_free=0", *sets,
        ]  # fmt: skip
        super().__init__(
            folder, "gapless", "run", *ids, "--store", f"sqlite:///{store}",
            *[word for text in every for word in ("--set", text)], state=state,
        )  # fmt: skip
        self.rss_mb = 0.0
        threading.Thread(target=self._weigh, daemon=True).start()

    def _weigh(self) -> None:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.child.pid)
            while not self.ended:
                self.rss_mb = max(self.rss_mb, process.memory_info().rss / 1e6)
                time.sleep(_RSS_EVERY)

    def status(self) -> dict[str, Any] | None:
        """What it says of itself, if it answers."""
        found: dict[str, Any] | None = ask(self.api + "/system/status")
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of a name in its log so far."""
        lines = [line for line in self.said().splitlines() if line.startswith("{") and line.endswith("}")]
        return [event for event in map(json.loads, lines) if event["event"] == name]
