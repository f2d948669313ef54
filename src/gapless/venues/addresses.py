"""Where a venue lives: its own addresses, or those of a simulator in their place."""

from collections.abc import Mapping
from urllib.parse import urlencode

from gapless.errors import BadInput
from gapless.model import Environment
from gapless.venues.spec import Hosts, Request


def hosts_of(
    venue: str, known: Mapping[Environment, Hosts], environment: Environment, sim_url: str | None, *, archive: bool
) -> Hosts:
    """Give the addresses of a venue in an environment; a simulator has all of them at `sim_url`."""
    if environment != "sim":
        return known[environment]
    if not sim_url or not sim_url.startswith(("http://", "https://")):
        raise BadInput(f"venues.{venue}.sim_url must be the address of a simulator, as `gapless sim` prints it")
    address = sim_url.rstrip("/")
    return Hosts(address, address.replace("http", "ws", 1), address if archive else None)


def request_of(hosts: Hosts, path: str, weight: int, query: Mapping[str, object]) -> Request:
    """Put a request together: of a path below the base address, at a price, with what every request carries."""
    tail = "?" + urlencode(query) if query else ""
    return Request(f"{hosts.rest}{path}{tail}", weight, headers=hosts.headers)
