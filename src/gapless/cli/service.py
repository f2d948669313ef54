"""How commands talk to a running gapless."""

from typing import Annotated, Any

import typer

Url = Annotated[str, typer.Option("--url", help="The address of a running `gapless run`.")]
HERE = "http://127.0.0.1:8787"


def ask(url: str, path: str, body: dict[str, Any] | None = None, *, seconds: float = 10) -> dict[str, Any]:
    """Ask a running gapless, or tell it to do something where there is a body; waits so many seconds at most."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    import msgspec

    from gapless.config import load
    from gapless.errors import BadInput, CouldNot

    if not url.startswith(("http://", "https://")):
        raise BadInput(f"--url: {url!r} is no address; allowed is http://HOST:PORT")
    headers = {"Content-Type": "application/json"}
    if token := load().serve.token:
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
    except (URLError, TimeoutError, ConnectionError) as error:
        raise CouldNot(f"no gapless answers at {url}; start one with `gapless run`, or name it with --url") from error
