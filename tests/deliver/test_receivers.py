"""Webhooks and programs as they are: real sockets, real processes; and no secret is shown or stored."""

import asyncio
import hashlib
import hmac
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from manual import settled
from post_office import Office, body_of
from prometheus_client import generate_latest

from gapless.config import load
from gapless.deliver.plan import Letter
from gapless.deliver.receivers import Command, Webhook, receivers_of
from gapless.deliver.settings import WebhookSettings
from gapless.errors import BadInput
from gapless.model import SECOND
from gapless.net.process import Programs
from gapless.net.rest import AiohttpRest
from gapless.query.feed import Cursor

LETTER = Letter("binance:TESTUSDT/5m/x/reversal/0", b'{"type":"signal"}', Cursor(1, 1), 0)


class Hook:
    """A real server: what came, and what it answers."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.elsewhere = 0
        self.answer = lambda: web.Response(status=200)
        self.url = ""

    async def _post(self, request: web.Request) -> web.Response:
        self.came.append((dict(request.headers), await request.read()))
        return self.answer()

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Hook"]:
        app = web.Application()
        app.router.add_post("/hook", self._post)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = site._server.sockets[0].getsockname()[:2]  # type: ignore[union-attr]
        self.url = f"http://{host}:{port}/hook"
        try:
            yield self
        finally:
            await runner.cleanup()


def test_a_webhook_is_sent_what_it_can_check_and_know_again():
    async def scene() -> None:
        http = AiohttpRest()
        async with Hook().open() as hook:
            receiver = Webhook(http, WebhookSettings(url=hook.url, secret_env="X"), "tell nobody")
            assert (await receiver.give(LETTER)).state == "delivered"
            headers, body = hook.came[0]
            assert body == LETTER.body
            assert (headers["Content-Type"], headers["Idempotency-Key"]) == ("application/json", LETTER.id)
            expected = hmac.new(b"tell nobody", body, hashlib.sha256).hexdigest()
            assert headers["X-Gapless-Signature"] == f"sha256={expected}"
            await Webhook(http, WebhookSettings(url=hook.url), None).give(LETTER)
            assert "X-Gapless-Signature" not in hook.came[1][0]
        await http.close()

    asyncio.run(scene())


def test_what_a_webhook_answers_decides_and_no_redirect_is_followed():
    async def scene() -> None:
        http = AiohttpRest()
        async with Hook().open() as hook:
            receiver = Webhook(http, WebhookSettings(url=hook.url), None)
            for status, state in ((503, "failed"), (429, "failed"), (404, "refused"), (302, "refused")):
                hook.answer = lambda status=status: web.Response(status=status, headers={"Location": "/elsewhere"})
                assert (await receiver.give(LETTER)).state == state
            assert hook.elsewhere == 0
            gone = Webhook(AiohttpRest(), WebhookSettings(url=hook.url), None)
        for one, why in ((receiver, "it does not answer"), (gone, "it takes no connection")):
            outcome = await one.give(LETTER)
            assert (outcome.state, outcome.why.startswith(why)) == ("failed", True), outcome.why
            await one._posts.close()

    asyncio.run(scene())


def test_secrets_are_neither_shown_nor_stored():
    async def scene() -> None:
        office, http = Office(), AiohttpRest()
        async with Hook().open() as hook:
            url = hook.url.replace("http://", "http://user:hunter2@") + "?token=t0psecret"
            receiver = Webhook(http, WebhookSettings(url=url, secret_env="X"), "tell nobody")
            hook.answer = lambda: web.Response(status=404 if len(hook.came) < 2 else 200)
            async with office.deliveries(receiver) as deliveries:
                await settled()
                office.signal(2)
                while not deliveries.rows()[0]["delivered"]:  # noqa: ASYNC110 (it lies behind a real socket)
                    await asyncio.sleep(0)
                rows = deliveries.rows()
            assert rows[0]["target"] == hook.url
            assert hook.came[1][0]["Authorization"].startswith("Basic ")  # the server itself is given them
        stored = "\n".join(office.store.connection.iterdump())
        said = f"{rows} {office.told} {stored} {generate_latest(office.registry).decode()}"
        assert receiver.key in stored
        for secret in ("hunter2", "t0psecret", "tell nobody"):
            assert secret not in said
        await http.close()

    asyncio.run(scene())


def program(path: Path, text: str) -> tuple[str, ...]:
    path.write_text(text)
    return (sys.executable, str(path))


def test_a_command_is_given_the_signal_and_its_status_decides(tmp_path):
    out = tmp_path / "got.json"
    takes = program(tmp_path / "a.py", f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())")
    refuses = program(tmp_path / "b.py", "raise SystemExit(1)")  # it does not even read

    async def scene() -> None:
        office = Office()
        office.store.close()
        assert (await Command(Programs(), (*takes, "; rm -rf x")).give(LETTER)).state == "delivered"
        assert json.loads(out.read_text()) == body_of(LETTER)
        failed = await Command(Programs(), refuses).give(LETTER)
        assert (failed.state, failed.why) == ("failed", "exit status 1")
        absent = await Command(Programs(), (str(tmp_path / "gone"),)).give(LETTER)
        assert (absent.state, "No such file" in absent.why) == ("failed", True)

    asyncio.run(scene())


def test_a_command_that_hangs_is_ended_with_everything_that_it_began(tmp_path):
    fifo = tmp_path / "began"
    os.mkfifo(fifo)
    hangs = program(
        tmp_path / "a.py",
        "import subprocess\np = subprocess.Popen(['sleep', '600'])\n"
        f"with open({str(fifo)!r}, 'w') as f: f.write(str(p.pid))\np.wait()\n",
    )

    async def scene() -> None:
        office = Office()
        deliveries = office.deliveries(Command(Programs(), hangs))
        await deliveries.__aenter__()
        await settled()
        office.signal()
        first = int(await asyncio.to_thread(fifo.read_text))
        os.kill(first, 0)
        await office.clock.pass_by(10 * SECOND)
        second = int(await asyncio.to_thread(fifo.read_text))  # tried again at once
        assert deliveries.rows()[0]["last_error"] == "no answer within 10 s"
        leaving = asyncio.create_task(deliveries.__aexit__(None, None, None))
        await office.clock.pass_by(2 * SECOND)
        await leaving
        while not (_ended(first) and _ended(second)):  # noqa: ASYNC110 (the kernel ends them when it likes)
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scene(), 20))


def _ended(pid: int) -> bool:
    """Say whether a process is gone, or dead and not yet waited for by whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except FileNotFoundError:
        return True


def made(*sets: str, environ: dict[str, str] | None = None) -> list[str]:
    settings = load(sets=sets, environ={}, file=Path("none.toml"))
    return [one.name for one in receivers_of(settings.deliver, AiohttpRest(), Programs(), environ or {})]


def test_receivers_are_made_of_the_settings():
    assert made(
        'deliver.webhooks=["http://127.0.0.1:9/a?b=c", {url="https://u:p@host/x", kinds=["pattern"], min_score=7}]',
        f'deliver.command=["{sys.executable}", "-c", "x"]',
    ) == ["http://127.0.0.1:9/a", "https://host/x", f"command {sys.executable}"]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ('deliver.webhooks=["ftp://host/x"]', "deliver.webhooks: 'ftp://host/x' is no address; allowed is http://"),
        ('deliver.webhooks=["http://u:hunter2@/x"]', "deliver.webhooks: '/x' is no address"),
        ('deliver.webhooks=["http://a/", "http://a/"]', "http://a/ is named twice"),
        ('deliver.webhooks=[{url="http://a/", kinds=["hammer"]}]', "did you mean pattern.hammer?"),
        ('deliver.webhooks=[{url="http://a/", state="found"}]', "unknown field `state`; allowed are url, instruments"),
        ('deliver.webhooks=[{url="http://a/", secret_env="NOPE"}]', "names NOPE, which the environment does not have"),
        ('deliver.webhooks=[{url="http://a/", instruments=["BTCUSDT"]}]', "'BTCUSDT' is no id"),
        ('deliver.command=["no-such-program-anywhere"]', "there is no program 'no-such-program-anywhere'"),
        ("deliver.give_up_after=1s", "deliver.give_up_after: 1s is not allowed; allowed are 1m to 7d"),
        ("deliver.timeout=soon", "deliver.timeout: 'soon' is no duration"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(setting, sentence):
    with pytest.raises(BadInput) as caught:
        made(setting)
    assert sentence in str(caught.value)
    assert "hunter2" not in str(caught.value)
