"""Turns errors into one sentence and a status; never a stack trace."""

import logging
from difflib import get_close_matches
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from gapless.errors import BadInput, CouldNot, GaplessError, UnknownName

log = logging.getLogger("gapless.serve")
AnyRequest = Request[Any, Any, Any]


def status_of(error: Exception) -> int:
    """Give the HTTP status that an error means."""
    if isinstance(error, UnknownName):
        return 404
    if isinstance(error, BadInput):
        return 400
    return 503 if isinstance(error, CouldNot) else 500


def refused(_: AnyRequest, error: Exception) -> Response[dict[str, str]]:
    """Answer an error that was raised on purpose."""
    return Response({"error": str(error)}, status_code=status_of(error))


def surprised(request: AnyRequest, error: Exception) -> Response[dict[str, str]]:
    """Answer an error that nobody foresaw; the log has it, the client does not."""
    log.exception("request failed", exc_info=error, extra={"path": request.url.path})
    return Response({"error": "gapless failed to answer this; its log says why"}, status_code=500)


def invalid(_: AnyRequest, error: ValidationException) -> Response[dict[str, str]]:
    """Answer parameters of the wrong type, or missing ones."""
    found = [f"{item['key']}: {item['message']}" for item in error.extra or () if isinstance(item, dict)]
    return Response({"error": "; ".join(found) or error.detail}, status_code=400)


def unrouted(request: AnyRequest, error: HTTPException) -> Response[dict[str, str]]:
    """Answer a path or method that does not exist."""
    path = request.url.path
    if error.status_code == 405:
        sentence = f"{request.method} is not allowed on {path}"
    elif error.status_code == 404:
        near = get_close_matches(path, request.app.state.paths, 1)
        allowed = f"did you mean {near[0]}?" if near else "/schema lists what there is"
        sentence = f"there is no {path}; {allowed}"
    else:
        sentence = error.detail
    return Response({"error": sentence}, status_code=error.status_code, headers=error.headers)


def known_parameters(request: AnyRequest) -> None:
    """Refuse a query parameter that the route does not have; a misspelt one would be ignored without a word."""
    allowed = request.app.state.parameters.get(request.url.path)
    for name in request.query_params if allowed is not None else ():
        if name not in allowed:
            near = get_close_matches(name, allowed, 1)
            hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(allowed) or 'none'}"
            raise BadInput(f"there is no parameter {name!r}; {hint}")


HANDLERS: ExceptionHandlersMap = {
    ValidationException: invalid,
    HTTPException: unrouted,
    GaplessError: refused,
    Exception: surprised,
}
