"""`gapless top`: a live view of a running gapless."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from gapless.cli.options import AsJson
from gapless.cli.service import Url, address, ask

if TYPE_CHECKING:
    from rich.console import Console

    from gapless.cli.top_view import Seen


def top(
    url: Url = None,
    once: Annotated[bool, typer.Option("--once", help="Print it once and end, as where this is no terminal.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, max=60, help="Seconds between two looks.")] = 1.0,
    json: AsJson = False,
) -> int:
    """Show connections, rates, coverage, budgets and gaps of a running gapless; Ctrl-C ends it."""
    from rich.console import Console

    from gapless.cli.top_view import view

    seen = _look(url)
    if json:
        import msgspec

        print(msgspec.json.encode(seen.status | {"open_gaps": seen.gaps}).decode())
        return 0
    console = Console()
    if once or not console.is_terminal:
        console.print(view(seen, width=console.width))
        return 0
    with suppress(KeyboardInterrupt):  # it has no end of its own: this is how it ends well
        _live(console, seen, url, every)
    return 0


def _live(console: "Console", seen: "Seen", url: str | None, every: float) -> None:
    """Show it on the whole terminal, for ever; where nobody answers any more the last answer stays."""
    import time

    from msgspec.structs import replace
    from rich.live import Live

    from gapless.cli.top_view import view
    from gapless.errors import CouldNot

    before = None
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(view(seen, before, height=console.height, width=console.width), refresh=True)
            time.sleep(every)
            try:
                before, seen = seen, _look(url)
            except CouldNot:
                seen = replace(seen, trouble="does not answer; asking on")


def _look(url: str | None) -> "Seen":
    import time

    from gapless.cli.top_view import Seen

    status = ask(url, "/system/status")
    open_gaps = status.get("gaps", {}).get("open", 0)
    gaps = ask(url, "/api/v1/gaps?state=open")["rows"] if open_gaps else []
    return Seen(at=time.monotonic(), url=address(url), status=status, gaps=gaps)
