"""Writes a report for programs: what is attached to an issue, and nothing that tells who wrote it."""

import getpass
import os
import platform
import re
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from gapless import __version__
from gapless.doctor.check import Report
from gapless.model import SECOND, iso

_LIBRARIES = ("aiohttp", "litestar", "msgspec", "numpy", "picows", "polars", "uvicorn", "uvloop", "websockets")
_V4 = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
_V6 = re.compile(r"(?<![\w:])(?=(?:[0-9a-f]*:){2,}[0-9a-f])(?:[0-9a-f]{1,4}|:)(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.I)
_COMMON = {"root", "user", "admin", "runner", "ubuntu", "home"}  # tell nothing, and are words


def as_object(report: Report, secrets: list[str]) -> dict[str, Any]:
    """Give the report as one object; texts have no key, address, name or home folder in them."""
    body = {
        "asked": msgspec.to_builtins(report.asked),
        "environment": report.environment,
        "began": iso(report.began // SECOND * SECOND),
        "seconds": round(report.seconds, 1),
        "ended": report.ended,
        "exit_status": report.status,
        "instruments": report.instruments,
        "checks": msgspec.to_builtins(report.checks),
    }
    cleaned: dict[str, Any] = _cleaned(body, _cleaning(secrets))
    return {"gapless": __version__, "machine": _machine()} | cleaned


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cleaning(secrets: list[str]) -> list[tuple[re.Pattern[str], str]]:
    """List what is replaced, in this order."""
    found = [(re.compile(re.escape(secret)), "***") for secret in secrets if secret]
    home = str(Path.home())
    if len(home) > 1:
        found.append((re.compile(re.escape(home)), "~"))
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""
    if len(user) > 2 and user.lower() not in _COMMON:
        found.append((re.compile(rf"\b{re.escape(user)}\b"), "(user)"))
    return [*found, (_V4, "(address)"), (_V6, "(address)")]


def _cleaned(value: Any, cleaning: list[tuple[re.Pattern[str], str]]) -> Any:
    if isinstance(value, dict):
        return {_cleaned(key, cleaning): _cleaned(inner, cleaning) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner, cleaning) for inner in value]
    if isinstance(value, str):
        for pattern, instead in cleaning:
            value = pattern.sub(instead, value)
    return value
