"""Real HTTP: one pooled session; any status is an answer, a broken network is `Unavailable`."""

import aiohttp

from gapless.errors import Unavailable
from gapless.ports import Reply

_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)


class AiohttpRest:
    """Asks REST hosts and archives through one connection pool."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, headers: dict[str, str]) -> Reply:
        """Send one GET."""
        try:
            async with self._pool().get(url, headers=headers) as response:
                body = await response.read()
                names = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, names, body)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{url.partition('?')[0]} does not answer: {error or type(error).__name__}") from error

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Send one POST, follow no redirect, and give the status; the address may hold secrets and is not told."""
        try:
            async with self._pool().post(url, headers=headers, data=body, allow_redirects=False) as response:
                return response.status
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise Unavailable("it does not answer in time") from error
        except aiohttp.ClientConnectorError as error:
            raise Unavailable(f"it takes no connection: {error.strerror or type(error).__name__}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"it does not answer: {type(error).__name__}") from error

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, headers={"User-Agent": "gapless"})
        return self._session

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()
