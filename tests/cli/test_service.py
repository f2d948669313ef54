"""Commands find the gapless that is meant, and say in one sentence what they could not do."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from tapes import ID, Book, trade

from gapless.cli.app import run
from gapless.cli.service import address_of
from gapless.errors import CouldNot
from gapless.model import SECOND

STATUS = {"status": "ready", "live": True, "last": None, "store": {"bytes": 7, "a_day": {"trades": 3}}, "degraded": []}


READY = json.dumps(STATUS).encode()


@contextmanager
def answering(body=READY, length=None):
    """Answer each question alike, with one status; gives the address."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            if length:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_gapless_on_another_port_is_not_taken_for_one_that_does_not_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with answering() as address:
        (tmp_path / "gapless.toml").write_text(f'[serve]\nlisten = ["{address}"]\n')
        assert run(["status"]) == 0
    said = capsys.readouterr().out
    assert said == "status: ready\nlive: yes\nlast: -\nstore: bytes 7  a_day (trades 3)\ndegraded: none\n"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:abc", "http://[bad", "http://a b", "http://127.0.0.1:99999", "http://"]
)
def test_an_address_that_is_none_is_one_sentence(address, capsys):
    for command in ("top", "status", "rotate"):
        assert run([command, "--url", address]) == 2
        said = f"gapless: --url: {address!r} is no address; allowed is http://HOST:PORT\n"
        assert capsys.readouterr().err == said


@pytest.mark.parametrize(("body", "length"), [(b"<html>", None), (b"[1]", None), (b'{"status": "re', 1_000)])
def test_who_is_no_gapless_or_ends_while_it_answers_is_one_sentence(body, length, capsys):
    with answering(body, length) as address:
        assert run(["top", "--once", "--url", f"http://{address}"]) == 3
    assert capsys.readouterr().err == f"gapless: http://{address} did not answer as a gapless does\n"


def test_a_gapless_that_listens_to_all_is_asked_on_loopback():
    assert address_of(["0.0.0.0:9000", "127.0.0.1:1"]) == "http://127.0.0.1:9000"
    assert address_of(["localhost:8787"]) == "http://localhost:8787"
    with pytest.raises(CouldNot, match=r"serve\.listen is empty"):
        address_of([])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfe\xd9", "is no text in UTF-8"),
        (b"binance:BTCUSDT\n", "line 1 of {file} is no candle; allowed is id,timeframe,start or JSON of these"),
    ],
)
def test_a_batch_file_that_is_none_is_one_sentence(tmp_path, capsys, content, sentence):
    file = tmp_path / "batch.txt"
    if content is not None:
        file.write_bytes(content)
    assert run(["footprint", "--batch", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert sentence.format(file=file) in said
    assert "Errno" not in said


@pytest.mark.parametrize(("command", "what"), [(["candles", ID, "1w"], "bar"), (["profile", ID], "session")])
def test_an_empty_answer_says_that_nothing_has_closed_yet(tmp_path, capsys, command, what):
    book = Book(path=str(tmp_path / "market.db"))
    book.trades([trade(0, SECOND, 100), trade(1, 2 * SECOND, 101)])
    book.store.close()
    run([*command, "--last", "1", "--store", str(tmp_path / "market.db")])
    said = capsys.readouterr().err
    assert said.startswith("gapless: no closed 1")
    assert f"{what} of {ID} is held there; --live adds" in said


def test_candles_that_could_not_be_fetched_are_no_success(tmp_path, monkeypatch):
    book = Book(path=str(tmp_path / "market.db"))
    book.trades([trade(0, SECOND, 100), trade(1, 200 * SECOND, 101)])
    book.due(0, 1)
    book.store.close()
    monkeypatch.setattr("gapless.cli.fetching.fetched", lambda *_, **__: {"fetch": {"state": "refused"}})
    before = [
        "candles",
        ID,
        "1m",
        "--start",
        "2026-01-06",
        "--end",
        "2026-01-07",
        "--store",
        str(tmp_path / "market.db"),
    ]
    assert (run(before), run([*before, "--fetch"])) == (0, 1)


@pytest.mark.parametrize(
    ("words", "asked", "status"),
    [
        ([], ("/api/v1/priority",), 0),
        (["add", ID], ("/api/v1/priority", {"add": [ID]}), 0),
        (["remove", "nope"], ("/api/v1/priority", {"remove": ["nope"]}), 1),
    ],
)
def test_priority_prints_who_comes_first_and_fails_where_one_was_refused(monkeypatch, capsys, words, asked, status):
    calls = []

    def ask(url, *rest):
        calls.append(rest)
        refused = [{"id": "nope", "reason": "no"}] if status else []
        return {"priority": [ID], **({"refused": refused} if len(rest) > 1 else {})}

    monkeypatch.setattr("gapless.cli.changing.ask", ask)
    assert run(["priority", *words]) == status
    assert calls == [asked]
    assert capsys.readouterr().out == f"{ID}\n" + ("nope: no\n" if status else "")


@pytest.mark.parametrize(("words", "says"), [(["put", ID], "add, remove"), (["add"], "gapless priority add")])
def test_priority_names_what_was_typed_wrongly(capsys, words, says):
    assert run(["priority", *words]) == 2
    assert says in capsys.readouterr().err
