"""What a venue without public files of its history has in their place."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from gapless.errors import BadFile
from gapless.model import Instrument, Tape, TapeKind
from gapless.venues.spec import Archive, ArchiveRows, Hosts


class Unarchived(Struct, frozen=True):
    """No files: none has an address, none is known by its name."""

    venue: str

    def url(self, hosts: Hosts, symbol: str, kind: TapeKind, day: int) -> str | None:
        """There is no file of any day."""
        return None

    def named(self, file: str) -> Archive | None:
        """No file is one of this venue."""
        return None

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument of which only the symbol is known: its assets stand around the first hyphen."""
        symbol = symbol.replace("/", "-")
        base, _, quote = symbol.partition("-")
        return Instrument(
            venue=self.venue, symbol=symbol, base=base, quote=quote.partition("-")[0], kind="spot", price_digits=0,
            size_digits=0, tick=1,
        )  # fmt: skip

    def fields(self, lines: Iterable[bytes], kind: TapeKind) -> list[list[str]]:
        """Refuse: nothing is known of such files."""
        raise BadFile(f"{self.venue} publishes no files")

    def digits(self, rows: Sequence[Sequence[str]], kind: TapeKind) -> tuple[int, int]:
        """Refuse: nothing is known of such files."""
        raise BadFile(f"{self.venue} publishes no files")

    def read(self, rows: Sequence[Sequence[str]], tape: Tape, received: int) -> ArchiveRows:
        """Refuse: nothing is known of such files."""
        raise BadFile(f"{self.venue} publishes no files")
