"""A venue that is named without a symbol: what is collected of it, and what an outage must not change."""

import asyncio
from typing import Any

import pytest
from manual import Answer, Asked, reply
from test_collector import House, listed

from gapless.collect.products import products
from gapless.collect.settings import CollectSettings
from gapless.errors import BadInput, Unavailable, UnknownName
from gapless.model import SECOND
from gapless.store.sqlite import SqliteStore

VOLUMES = {"BTCUSDT": "500.0", "ETHUSDT": "900.0", "SOLUSDT": "100.0"}


class Shop:
    """A house whose venue lists three products; `trouble` answers instead."""

    def __init__(self, store: SqliteStore | None = None, trouble: Answer | None = None) -> None:
        self.house = House(store=store)
        self.trouble = trouble
        self.house.odd = self._odd

    def _odd(self, asked: Asked) -> Answer | None:
        if self.trouble is not None:
            return self.trouble
        if asked.path == "exchangeInfo":
            return reply(listed(*VOLUMES))
        if asked.path == "24hr":
            ticker = self.house.market.ticker()
            return reply([ticker | {"symbol": name, "quoteVolume": volume} for name, volume in VOLUMES.items()])
        return None

    def choose(self, **settings: Any) -> list[str]:
        async def choosing() -> list[str]:
            collect = CollectSettings(**settings)
            task = asyncio.create_task(products(self.house.collector, collect, self.house.outside))
            for _ in range(200):
                await self.house.clock.pass_by(SECOND)
                if task.done():
                    break
            return await asyncio.wait_for(task, 1)

        return [name.removeprefix("binance:") for name in asyncio.run(choosing())]

    def stopped(self) -> SqliteStore:
        for event in self.house.collector.pending.take({}, now=0, known_at=0).events:
            kind, subject, detail, at = event
            self.house.store.commit(lambda tx, one=(kind, subject, detail, at): tx.put_event(*one))
        return self.house.store


def test_a_list_is_collected_and_what_does_not_exist_is_named_while_the_others_run() -> None:
    shop = Shop()
    assert shop.choose(products=["SOLUSDT", "btc/usdt:usdt", "NOPE-USD", "SOLUSDT"], top=1) == ["SOLUSDT", "BTCUSDT"]
    (named,) = shop.house.noted("unknown_product")
    assert "binance lists no instrument 'NOPE-USD'" in named["reason"]


def test_without_a_list_the_busiest_are_collected_and_without_a_number_all() -> None:
    assert Shop().choose(top=2) == ["ETHUSDT", "BTCUSDT"]
    assert Shop().choose() == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]


def test_a_list_of_which_nothing_exists_is_a_mistake() -> None:
    with pytest.raises(UnknownName, match=r"collect\.products: binance lists none of NOPE, NIL"):
        Shop().choose(products=["NOPE", "NIL"])


def test_a_venue_that_tells_no_volumes_cannot_have_a_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_whole_venue.VOLUMES", dict.fromkeys(VOLUMES, "0"))
    with pytest.raises(BadInput, match=r"no product of which it tells a volume, for collect\.top = 5"):
        Shop().choose(top=5)


def test_a_start_while_the_venue_cannot_be_asked_takes_what_was_collected_before() -> None:
    shop = Shop()
    chosen = shop.choose(top=2)
    for instrument in asyncio.run(shop.house.collector.listing.asked()):
        shop.house.store.put_instrument(instrument)
    again = Shop(shop.stopped(), Unavailable("no route"))
    assert again.choose(top=2) == chosen
    assert again.house.noted("products_kept")
