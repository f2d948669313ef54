"""`gapless doctor`: whether this machine and a real venue are as we assume, for people and as one JSON to attach."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from gapless.cli.options import Sets

if TYPE_CHECKING:
    from gapless.doctor.check import Asked, Check, Report
    from gapless.doctor.examination import Examination

_INSTRUMENTS = 3
_MOST_MINUTES = 1_440


def doctor(
    live: Annotated[str | None, typer.Option("--live", help="Check this venue too, without a key.")] = None,
    minutes: Annotated[
        int | None, typer.Option("--minutes", min=0, max=_MOST_MINUTES, help="Minutes to collect and audit: 10.")
    ] = None,
    listen: Annotated[
        float | None, typer.Option("--listen", min=1, max=3_600, help="Seconds to listen to every stream: 60.")
    ] = None,
    instruments: Annotated[
        str | None, typer.Option("--instruments", help="How many of the busiest (3), or ids with commas.")
    ] = None,
    sets: Sets = None,
    json: Annotated[
        str | None, typer.Option("--json", help="Write the report as JSON to a file, - for standard output.")
    ] = None,
) -> int:
    """Check this machine and, with --live, every assumption about a venue; exit status 1 if something differs."""
    from gapless.config import load
    from gapless.doctor.check import Asked
    from gapless.errors import BadInput
    from gapless.venues.registry import VENUES
    from gapless.venues.registry import venue as known_venue

    settings = load(sets=sets or (), venues=VENUES)
    if live is None:
        for name, value in (("--minutes", minutes), ("--listen", listen), ("--instruments", instruments)):
            if value is not None:
                raise BadInput(f"{name} goes with --live VENUE; venues are {', '.join(VENUES)}")
        asked = None
    else:
        asked = Asked(
            venue=known_venue(live).name,
            minutes=10 if minutes is None else minutes,
            listen=60.0 if listen is None else listen,
            instruments=_chosen(instruments, live),
        )
    _writable(json)
    return _examined(asked, settings, json)


def _chosen(text: str | None, live: str) -> list[str] | int:
    """Read `--instruments`: a number, or ids of the venue with or without its name."""
    from gapless.errors import BadInput

    if text is None:
        return _INSTRUMENTS
    if text.isascii() and text.isdigit():
        if not 1 <= int(text) <= 30:
            raise BadInput(f"--instruments: {text} is not allowed; allowed are 1 to 30, or ids with commas")
        return int(text)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise BadInput("--instruments: name some, as in --instruments BTCUSDT,ETHUSDT")
    for name in names:
        venue, colon, _ = name.partition(":")
        if colon and "/" not in venue and venue != live:
            raise BadInput(f"--instruments: {name} is none of {live}")
    return names


def _writable(target: str | None) -> None:
    """Refuse a report that could not be written before anything is asked."""
    from gapless.errors import BadInput

    if target is None or target == "-":
        return
    try:
        open(target, "a").close()
    except OSError as error:
        raise BadInput(f"--json: {target} cannot be written: {error.strerror}") from error


def _examined(asked: "Asked | None", settings: Any, target: str | None) -> int:
    """Examine, and write the report however it ends."""
    import asyncio

    from gapless.doctor.examination import Examination

    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with _View(sys.stderr if target == "-" else sys.stdout) as view:
        examination = Examination(asked, view)
        try:
            examination.installation()
            if asked is not None:
                with runner:
                    runner.run(_visited(examination, asked, settings))
        finally:
            if target is not None:
                _write(examination.report, settings, target)
    view.verdict(examination.report)
    return examination.report.status


async def _visited(examination: "Examination", asked: "Asked", settings: Any) -> None:
    """Check the venue until it is done or a signal ends it."""
    import asyncio
    import signal

    from gapless.collect.settings import as_set
    from gapless.venues.registry import venue as known_venue

    work = asyncio.create_task(
        examination.venue(asked, as_set(known_venue(asked.venue), settings.venue(asked.venue)), settings)
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    await asyncio.wait({work})
    if not work.cancelled():
        work.result()


def _write(report: "Report", settings: Any, target: str) -> None:
    from pathlib import Path

    import msgspec

    from gapless.doctor.report import as_object

    secrets = [settings.serve.token or ""] + [venue.api_key for venue in settings.venues.values()]
    body = msgspec.json.format(msgspec.json.encode(as_object(report, secrets)), indent=2)
    if target == "-":
        print(body.decode(), flush=True)
    else:
        Path(target).write_bytes(body + b"\n")


class _View:
    """What people see: a line a check, a bar for what takes longer."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._out = out
        self._bar = Progress(console=Console(file=sys.stderr), transient=True, disable=not sys.stderr.isatty())
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "_View":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def found(self, check: "Check") -> None:
        """Print a check; bars of what is done go."""
        for task in self._tasks.values():
            self._bar.remove_task(task)
        self._tasks.clear()
        print(f"{check.verdict:8} {check.name:14} {check.sentence}", file=self._out, flush=True)

    def progress(self, what: str, done: float, total: float) -> None:
        """Move a bar."""
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total)
        self._bar.update(self._tasks[what], completed=min(done, total))

    def verdict(self, report: "Report") -> None:
        """Print what it comes to."""
        counts = {word: sum(check.verdict == word for check in report.checks) for word in ("differs", "failed")}
        wrong = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        if report.ended == "unreachable":
            print(f"gapless: {report.checks[-1].sentence}", file=sys.stderr)
            return
        ended = "interrupted; so far " if report.ended == "interrupted" else ""
        told = wrong or "everything is as we assume"
        print(f"{ended}{len(report.checks)} checks in {report.seconds:.1f} s: {told}", file=self._out, flush=True)
