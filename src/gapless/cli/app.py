"""Puts the commands together and turns errors into sentences and exit statuses."""

import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated

import typer
from typer.exceptions import TyperException

from gapless import __version__
from gapless.cli import (
    audit,
    backfill,
    candles,
    changing,
    cleanup,
    demo,
    doctor,
    explain,
    footprint,
    importing,
    indicators,
    instruments,
    profile,
    replay,
    signals,
    sim,
    status,
    top,
    trades,
)
from gapless.cli import run as running
from gapless.errors import BadInput, CouldNot, GaplessError

DONE, MISSING, MISTAKE, COULD_NOT, INTERRUPTED = 0, 1, 2, 3, 130
TETHER = "GAPLESS_TETHERED"

app = typer.Typer(
    name="gapless",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def begin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version and leave.")] = False,
) -> None:
    """A complete, provable market tape: stream what is live, fetch only what was missed, prove it."""
    if version:
        typer.echo(f"gapless {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command()(demo.demo)
app.command()(running.run)
app.command()(backfill.backfill)
app.command("import")(importing.import_files)
app.command()(cleanup.cleanup)
app.command()(candles.candles)
app.command()(indicators.indicators)
app.command()(trades.trades)
app.command()(footprint.footprint)
app.command()(signals.signals)
app.command()(profile.profile)
app.command()(replay.replay)
app.command()(audit.audit)
app.command()(explain.explain)
app.command()(instruments.instruments)
app.command()(status.status)
app.command()(top.top)
app.command()(status.book)
app.command()(changing.rotate)
app.command()(changing.add)
app.command()(changing.remove)
app.command()(changing.priority)
app.command()(sim.sim)
app.command()(doctor.doctor)


def run(arguments: Sequence[str]) -> int:
    """Run a command and give its exit status."""
    if os.environ.get(TETHER):
        # Ctrl-C on a terminal reaches every process of the group: who holds the tether decides what follows.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        status = app(list(arguments), standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except TyperException as mistake:
        _say(_usage(mistake))
        return MISTAKE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except BadInput as mistake:
        _say(str(mistake))
        return MISTAKE
    except CouldNot as trouble:
        _say(str(trouble))
        return COULD_NOT
    except GaplessError as trouble:
        _say(str(trouble))
        return MISSING
    return status if isinstance(status, int) else DONE


def _usage(mistake: TyperException) -> str:
    """Say what was typed wrongly, with the commands that there are where it was no command."""
    text = str(mistake.format_message() if hasattr(mistake, "format_message") else mistake).rstrip(".")
    if match := re.search(r"No such command '(.*?)'", text):
        names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
        near = get_close_matches(match[1], names, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"there is no command {match[1]!r}; allowed are {', '.join(sorted(names))}{hint}"
    return f"{text} (see --help)"


def _end_with_parent() -> None:
    """Stop when whoever holds the other end of standard input is gone, also by SIGKILL."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _say(sentence: str) -> None:
    print(f"gapless: {sentence}", file=sys.stderr)
