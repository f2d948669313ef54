"""How commands talk to a running gapless."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

Url = Annotated[str | None, typer.Option("--url", help="The running `gapless run`. Default: by serve.listen.")]


def ask(url: str | None, path: str, body: dict[str, Any] | None = None, *, seconds: float = 10) -> dict[str, Any]:
    """Ask a running gapless, or tell it to do something where there is a body; waits so many seconds at most."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    import msgspec

    from gapless.config import load
    from gapless.errors import BadInput, CouldNot

    settings = load().serve
    url = address(url)
    headers = {"Content-Type": "application/json"}
    if token := settings.token:
        headers["Authorization"] = f"Bearer {token}"
    request = Request(url.rstrip("/") + path, msgspec.json.encode(body) if body is not None else None, headers)  # noqa: S310
    try:
        with urlopen(request, timeout=seconds) as reply:  # noqa: S310
            return msgspec.json.decode(reply.read(), type=dict[str, Any])
    except HTTPError as error:
        try:
            said = msgspec.json.decode(error.read(), type=dict[str, str])
        except msgspec.DecodeError:
            said = {}
        raise BadInput(said.get("error", f"{url} answered HTTP {error.code}")) from error
    except (msgspec.DecodeError, HTTPException) as error:  # another program, or one that ends meanwhile
        raise CouldNot(f"{url} did not answer as a gapless does") from error
    except (URLError, TimeoutError, ConnectionError) as error:
        raise CouldNot(f"no gapless answers at {url}; start one with `gapless run`, or name it with --url") from error


def address(url: str | None) -> str:
    """Give the address that is meant: the one named, else that of the `gapless run` that has our settings."""
    from gapless.config import load
    from gapless.errors import BadInput

    url = url or address_of(load().serve.listen)
    if not _is_address(url):
        raise BadInput(f"--url: {url!r} is no address; allowed is http://HOST:PORT")
    return url


def _is_address(url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and " " not in url
    except ValueError:
        return False


def address_of(listen: Sequence[str]) -> str:
    """Give the address of the `gapless run` that has our settings: the first that it listens on."""
    from gapless.errors import CouldNot

    if not listen:
        raise CouldNot("serve.listen is empty, so `gapless run` serves nothing; name another one with --url")
    host, _, port = listen[0].rpartition(":")
    return f"http://{'127.0.0.1' if host in ('0.0.0.0', '[::]') else host}:{port}"  # noqa: S104
