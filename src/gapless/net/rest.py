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
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, headers={"User-Agent": "gapless"})
        try:
            async with self._session.get(url, headers=headers) as response:
                body = await response.read()
                names = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, names, body)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{url.partition('?')[0]} does not answer: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()
