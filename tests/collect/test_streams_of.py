"""Everything that is asked for of an instrument is acknowledged by the name that it was asked by."""

import json

import pytest

from gapless.collect.collector import streams_of
from gapless.collect.settings import CollectSettings
from gapless.model import Instrument
from gapless.sim.coinbase.advanced import control as advanced
from gapless.sim.coinbase.advanced import wire
from gapless.sim.coinbase.exchange import control as exchange
from gapless.venues.registry import venue


def told_by_exchange(messages: list[str]) -> list[bytes]:
    held: exchange.Held = {}
    return [text.encode() for message in messages for text in exchange.answer(message, held, lambda name: None).frames]


def told_by_advanced(messages: list[str]) -> list[bytes]:
    held: advanced.Held = {}
    for message in messages:
        assert advanced.answer(json.loads(message), held, lambda name: True).error is None
    return [wire.frame("subscriptions", 0, 0, wire.subscriptions(held)).encode()]


@pytest.mark.parametrize(("name", "answers"), [("coinbase", told_by_exchange), ("coinbase-advanced", told_by_advanced)])
def test_no_stream_is_waited_for_that_the_venue_does_not_acknowledge(name, answers) -> None:
    own = venue(name)
    bitcoin = Instrument(
        venue=name, symbol="BTC-USD", base="BTC", quote="USD", kind="spot", price_digits=2, size_digits=8, tick=1
    )
    streams = streams_of(own, bitcoin, next(iter(own.tapes.values())), CollectSettings(), book=True)
    streams += own.streams.standing("market")
    names = [stream.name for stream in streams]
    grouped = own.streams.group(answers(own.streams.subscribe(names, 1, lambda: None)))
    assert [control.error for control in grouped.controls] == [None]
    assert sorted(grouped.controls[0].names) == sorted(names)
    assert len(names) == len(set(names)) > 3
