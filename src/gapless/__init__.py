"""gapless keeps a complete, provable market tape.

`open` reads a store (or a running gapless by its address), `connect` is pushed events and resumes by itself,
`replay(url, ids)` runs a stored tape through the engine again, and `Engine(Settings(), ids)` runs a collector in this
process, whose `on` calls your functions with events. `load()` reads the settings (gapless.toml, environment). They are
loaded when first used.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Engine", "Settings", "__version__", "connect", "load", "open", "replay"]

if TYPE_CHECKING:
    from gapless.client import connect
    from gapless.config import Settings, load
    from gapless.engine import Engine
    from gapless.reader import open_market as open
    from gapless.replaying import Replaying as replay  # noqa: N813


def __getattr__(name: str) -> Any:
    if name == "open":
        from gapless.reader import open_market

        return open_market
    if name == "connect":
        from gapless.client import connect

        return connect
    if name == "replay":
        from gapless.replaying import Replaying

        return Replaying
    if name == "Settings":
        from gapless.config import Settings

        return Settings
    if name == "load":
        from gapless.config import load

        return load
    if name == "Engine":
        from gapless.engine import Engine

        return Engine
    raise AttributeError(f"module 'gapless' has no attribute {name!r}")
