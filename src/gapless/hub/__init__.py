"""What happens, as it happens, for whoever listens: callbacks of this process, and the faces that push."""

from gapless.hub.events import (
    EVENTS,
    Connected,
    Disconnected,
    Lagged,
    MarketData,
    Message,
    SourceSwitch,
    TickerUpdate,
    Trouble,
    VolumeAlert,
)
from gapless.hub.hub import Hub

__all__ = [
    "EVENTS",
    "Connected",
    "Disconnected",
    "Hub",
    "Lagged",
    "MarketData",
    "Message",
    "SourceSwitch",
    "TickerUpdate",
    "Trouble",
    "VolumeAlert",
]
