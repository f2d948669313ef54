"""Puts the commands together and turns errors into sentences and exit statuses."""

import os
import sys
from collections.abc import Sequence

import click
import typer

from gapless.cli import audit, candles, demo, importing, instruments, sim, trades
from gapless.cli import run as running
from gapless.errors import BadInput, CouldNot, GaplessError

DONE, MISSING, MISTAKE, COULD_NOT, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="gapless",
    help="A complete, provable market tape: stream what is live, fetch only what was missed, prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(demo.demo)
app.command()(running.run)
app.command("import")(importing.import_files)
app.command()(candles.candles)
app.command()(trades.trades)
app.command()(audit.audit)
app.command()(instruments.instruments)
app.command()(sim.sim)


def run(arguments: Sequence[str]) -> int:
    """Run a command and give its exit status."""
    try:
        status = app(list(arguments), standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as mistake:
        _say(mistake.format_message())
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


def _say(sentence: str) -> None:
    print(f"gapless: {sentence}", file=sys.stderr)
