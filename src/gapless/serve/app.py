"""Puts the HTTP API, the stream and Socket.IO together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Parameter

from gapless.serve import acting, consolidated, signals
from gapless.serve.access import guarded
from gapless.serve.faces import Faces
from gapless.serve.failures import HANDLERS, known_parameters
from gapless.serve.metrics import measured
from gapless.serve.pushing import Pushing
from gapless.serve.routes import ROUTES
from gapless.serve.settings import ServeSettings, check
from gapless.serve.stream import stream
from gapless.serve.system import System


def create_app(system: System, settings: ServeSettings) -> Litestar:
    """Build the application; settings that would serve strangers without a token are `BadInput`."""
    check(settings)
    faces = Faces(system, settings)

    @asynccontextmanager
    async def open_faces(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            faces.close()

    app = Litestar(
        route_handlers=[*ROUTES, *acting.ROUTES, *consolidated.ROUTES, signals.stored, stream],
        state=State({"faces": faces}),
        exception_handlers=HANDLERS,
        cors_config=CORSConfig(allow_origins=list(settings.cors_origins)) if settings.cors_origins else None,
        openapi_config=OpenAPIConfig(title="gapless", version="1", path="/schema"),
        lifespan=[open_faces],
        before_request=known_parameters,
        logging_config=None,
    )
    app.state.paths = [route.path for route in app.routes]
    app.state.parameters = _parameters(app)
    app.state.pushing = pushing = Pushing(faces, system.hub)
    app.asgi_handler = guarded(pushing.beside(measured(app.asgi_handler, faces.metrics, app.state.paths)), settings)
    return app


def _parameters(app: Litestar) -> dict[str, list[str]]:
    """List the query parameters of every path."""
    operations = {path: item.get or item.post for path, item in (app.openapi_schema.paths or {}).items()}
    return {
        path: [each.name for each in operation.parameters or () if isinstance(each, Parameter)]
        for path, operation in operations.items()
        if operation
    }
