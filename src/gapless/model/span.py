"""A range of ids that something vouches for."""

from msgspec import Struct

from gapless.model.proof import Evidence


class Span(Struct, frozen=True, order=True):
    """Ids `first` to `last`, both inclusive, vouched for by one kind of evidence."""

    first: int
    last: int
    evidence: Evidence
