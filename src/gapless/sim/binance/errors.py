"""Error replies of the REST API."""

from __future__ import annotations


class ApiError(Exception):
    """One reply `{"code":..,"msg":".."}` with its HTTP status."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        """Takes the venue's code and its words."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def mandatory(name: str) -> ApiError:
    """Says that a parameter is missing."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str) -> ApiError:
    """Says that a parameter is no number."""
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")


def bad_limit() -> ApiError:
    """Says that a limit is out of range."""
    return ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
