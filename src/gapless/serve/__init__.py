"""The served faces: HTTP API, resumable stream, metrics."""

from gapless.serve.app import create_app
from gapless.serve.server import serve
from gapless.serve.settings import ServeSettings
from gapless.serve.system import System

__all__ = ["ServeSettings", "System", "create_app", "serve"]
