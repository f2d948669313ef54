"""A connection that its venue has closed before we look at it ends like any other, and never the collector."""

import asyncio

import pytest

from gapless.net import websocket


class Gone:
    """A transport that has been closed already; `wrong` is what asyncio or uvloop say of its socket."""

    def __init__(self, wrong: Exception) -> None:
        self.underlying_transport = self
        self._wrong = wrong

    def get_extra_info(self, name: str) -> "Gone":
        return self

    def setsockopt(self, *arguments: int) -> None:
        raise self._wrong


@pytest.mark.parametrize("wrong", [OSError(9, "Bad file descriptor"), ValueError("negative file descriptor")])
def test_a_socket_that_is_closed_as_soon_as_it_stands_is_given_and_told_as_closed(monkeypatch, wrong):
    async def connected(make, url, **options):
        return Gone(wrong), make()

    monkeypatch.setattr(websocket, "ws_connect", connected)
    made = asyncio.run(websocket.PicowsSockets().connect("ws://venue", None))
    assert isinstance(made, websocket.PicowsSocket)
