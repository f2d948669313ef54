"""A venue that ends a connection with its token: every message is signed anew, and nothing is lost when tokens end."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from manual import EPOCH
from msgspec.structs import replace
from tiny_coinbase import SIM, Product, Studio

from gapless.model import HOUR, SECOND

KEY = Ed25519PrivateKey.generate()
SECRET = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
LIFE = 40  # s of a token; the market runs thirty times as fast, so that one ends every twenty minutes of it
PACE = 30
TIMES = [EPOCH + 7 * SECOND * k for k in range(-100, 1_100)]


class Signed(Studio):
    """A studio whose venue ends each connection with the last token that it got."""

    def __init__(self, *, token_life: str) -> None:
        own = replace(SIM, api_key="k", api_secret=SECRET, token_life=token_life)
        super().__init__(Product(TIMES), name="coinbase-advanced", pace=PACE, own=own, history="5m")
        self.given: dict[int, tuple[int, int]] = {}
        self.ended = 0

    async def live(self, seconds: int) -> None:
        for _ in range(0, seconds, PACE):
            await self.on(PACE)
            for socket in self.standing():
                before, _ = self.given.get(id(socket), (0, 0))
                if before == 0:
                    self.given[id(socket)] = (1, self.clock.mono)
                elif self.clock.mono - self.given[id(socket)][1] > LIFE * SECOND:
                    self.ended += 1
                    socket.left = (1008, "")
                    socket.say({"type": "error", "message": "authentication failure"})
                    socket.events.closed(1008, "authentication failure")


@pytest.mark.parametrize("token_life", [f"{LIFE}s", ""], ids=["renewed", "not renewed"])
def test_two_hours_of_tokens_that_end_cost_no_trade(token_life):
    studio = Signed(token_life=token_life)
    studio.run(lambda: studio.live(2 * HOUR // SECOND))
    first = min(studio.held())
    assert studio.held() == list(range(first, studio.product.shown() + 1))
    assert studio.collector.holes() == []
    assert (studio.ended == 0) is bool(token_life)
    assert studio.collector.rotations >= (240 // LIFE if token_life else 0)
    read = [
        jwt.decode(one, KEY.public_key(), algorithms=["EdDSA"], options={"verify_exp": False}) for one in studio.tokens
    ]
    assert len(studio.tokens) == len(set(studio.tokens)) >= 3 * 240 // LIFE - 3
    assert {one["exp"] - one["nbf"] for one in read} == {120}
    assert len({jwt.get_unverified_header(one)["nonce"] for one in studio.tokens}) == len(studio.tokens)


def test_a_key_is_in_no_event_no_setting_that_is_shown_and_no_row():
    studio = Signed(token_life=f"{LIFE}s")
    studio.run(lambda: studio.live(20 * PACE))
    body = SECRET.splitlines()[1]
    shown = [repr(studio.notes), repr(studio.store.events(("connected", "rotated", "refused"), 0))]
    shown += [asked.url + repr(asked.headers) for asked in studio.http.asked]
    assert not any(body in text or studio.tokens[0] in text for text in shown)
