"""The route of signals."""

from typing import Annotated, Any

from litestar import get
from litestar.datastructures import State
from litestar.params import Parameter, QueryParameter

from gapless.errors import BadInput
from gapless.model.signal import SignalFilter
from gapless.model.times import in_epoch
from gapless.query.market import Market
from gapless.query.signals import named, signal_listing, signals, which
from gapless.serve.faces import Faces
from gapless.serve.pages import then
from gapless.serve.questions import EPOCHS, MOST_SIGNALS, at_most, moment_of, one_of, span_of

Words = list[str] | None


@get("/api/v1/signals", tags=["market"])
async def stored(
    state: State,
    id: Annotated[Words, Parameter(description="Instruments; all of them when absent.")] = None,
    timeframe: Annotated[Words, Parameter(description="1m to 1440m, 1h to 24h, 1d, 1w.")] = None,
    kind: Annotated[
        Words, Parameter(description="reversal, volume_spike, pattern or pattern.hammer and so on.")
    ] = None,
    side: Annotated[Words, Parameter(description="buy or sell.")] = None,
    only: Annotated[
        Words, QueryParameter(name="state", description="found, confirmed, withdrawn, standing (default) or all.")
    ] = None,
    min_score: Annotated[float | None, Parameter(description="1 to 10; only what is valid has a score.")] = None,
    min_proof: Annotated[str | None, Parameter(description="The least proof of the judged bar.")] = None,
    start: Annotated[str | None, Parameter(description="Begin of the range, of the times that bars closed.")] = None,
    end: Annotated[str | None, Parameter(description="End of the range, exclusive.")] = None,
    last: Annotated[int | None, Parameter(description="The last N; 20 without a range.", ge=1)] = None,
    as_of: Annotated[str | None, Parameter(description="Answer what was known at a time of this machine.")] = None,
    epoch: Annotated[str | None, Parameter(description="Write times as epochs in ms, us or ns.")] = None,
) -> dict[str, Any]:
    """List signals, each as its newest judgement, newest last; a range of more than 10,000 names its `next` start.

    Several instruments, timeframes, kinds, sides and states are repeated or joined with commas.
    """
    faces: Faces = state.faces
    one_of(epoch, "epoch", EPOCHS)
    begin, until = span_of(start, end)
    if last is not None:
        if start or end:
            raise BadInput("last goes alone; a range is start and end")
        at_most(last, "last", MOST_SIGNALS)
    asked = which(
        timeframes=_words(timeframe), kinds=_words(kind), sides=_words(side), states=_words(only),
        min_score=min_score, min_proof=min_proof,
    )  # fmt: skip
    page = then(_page, moment_of(as_of, "as_of"))
    return await faces.ask(page, asked, _words(id), start=begin, end=until, last=last, epoch=epoch)


def _page(
    market: Market, asked: SignalFilter, ids: list[str], *, start: int | None, end: int | None, last: int | None,
    epoch: str | None,
) -> dict[str, Any]:  # fmt: skip
    answer = signals(market, named(market, asked, ids), start=start, end=end, last=last, most=MOST_SIGNALS)
    after = answer.next
    return signal_listing(answer, epoch=epoch) | {"next": None if after is None else in_epoch(after, epoch)}


def _words(texts: Words) -> list[str]:
    return [word for text in texts or () for word in text.split(",")]
