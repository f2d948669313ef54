"""A start in the middle of a ban: streams do not wait for it, and nothing is asked."""

import asyncio

import msgspec
import pytest
from manual import Answer, Asked, reply
from test_collector import ID, House
from test_rest_client import TIME

from gapless.errors import Banned
from gapless.model import SECOND
from gapless.ports import Reply
from gapless.venues.spec import Request


def banned(house: House) -> None:
    time = Request(f"{house.collector.hosts.rest}/fapi/v1/time", TIME.weight)
    with pytest.raises(Banned):
        asyncio.run(house.collector.rest.get(time, patient=False))


def refusing(asked: Asked) -> Reply:
    return reply(b"", 418)


def test_what_is_known_is_streamed_at_once_and_no_request_leaves_before_the_ban_ends() -> None:
    first = House()
    first.prepare(ID)
    house = House(store=first.store, odd=refusing)
    banned(house)
    began = house.clock.mono

    async def play() -> None:
        assert house.clock.mono - began <= 2 * SECOND
        assert [socket.url for socket in house.sockets.opened]
        house.odd = None
        await house.clock.pass_by(100 * SECOND)
        assert len(house.http.asked) == 1

    house.run(play)
    assert house.noted("instruments_stored") == [{"reason": "blocked for 120 s more"}]
    assert [fields["reason"] for fields in house.noted("blocked")] == ["banned (HTTP 418)"]


def test_a_start_that_needs_to_know_more_waits_for_the_end_of_the_ban() -> None:
    answers = [reply(b"", 418)]
    house = House(odd=lambda asked: answers.pop() if answers else None)
    banned(house)
    house.prepare(ID)
    assert list(house.collector.pipeline.lines) == [ID]
    assert house.http.asked[1].at - house.http.asked[0].at >= 120 * SECOND


def test_the_limit_that_the_venue_announces_counts_from_the_start() -> None:
    house = House()
    plain = house.http.answer

    def announcing(asked: Asked) -> Answer:
        answer = plain(asked)
        if asked.path != "exchangeInfo" or not isinstance(answer, Reply):
            return answer
        weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 600}
        return reply(msgspec.json.decode(answer.body) | {"rateLimits": [weight]})

    house.http.answer = announcing
    house.prepare(ID)
    (state,) = house.collector.rest.states().values()
    assert house.collector.rest.limit(state) == 600
