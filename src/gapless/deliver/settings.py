"""What can be set about delivering signals."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from msgspec import Struct

from gapless.errors import BadInput
from gapless.model.signal import SignalFilter
from gapless.model.times import parse_duration
from gapless.query.signals import which


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One webhook, which signals it is given (all where nothing says otherwise), and its secret.

    `secret_env` names the variable of the environment that holds the secret: it is no setting and is never shown.
    """

    url: str
    instruments: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    timeframes: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    min_score: float | None = None
    secret_env: str = ""

    def which(self) -> SignalFilter:
        """Give the signals that it is given; instruments by their ids."""
        asked = which(
            timeframes=self.timeframes, kinds=self.kinds, sides=self.sides, states=self.states or ("all",),
            min_score=self.min_score,
        )  # fmt: skip
        return SignalFilter(
            instruments=self.instruments, minutes=asked.minutes, kinds=asked.kinds, sides=asked.sides,
            states=asked.states, min_score=asked.min_score,
        )  # fmt: skip


class DeliverSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is given the signals: webhooks by POST, a command by its standard input; and for how long it is tried."""

    webhooks: tuple[str | WebhookSettings, ...] = ()
    command: tuple[str, ...] = ()
    timeout: str = "10s"
    give_up_after: str = "1h"

    def hooks(self) -> Iterator[WebhookSettings]:
        """Go through the webhooks."""
        for hook in self.webhooks:
            yield WebhookSettings(url=hook) if isinstance(hook, str) else hook


def target_of(url: str) -> str:
    """Give an address as it may be shown: without user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check(settings: DeliverSettings) -> None:
    """Refuse, in one sentence that names the key, what nothing can be delivered to."""
    seen = set()
    for hook in settings.hooks():
        _check_address(hook.url)
        if hook.url in seen:
            raise BadInput(f"deliver.webhooks: {target_of(hook.url)} is named twice; allowed is once")
        seen.add(hook.url)
        for name in hook.instruments:
            if ":" not in name:
                raise BadInput(f"deliver.webhooks: instruments: {name!r} is no id; allowed is venue:symbol")
        try:
            hook.which()
        except BadInput as error:
            raise BadInput(f"deliver.webhooks: {error}") from error
    if settings.command and not settings.command[0]:
        raise BadInput("deliver.command: its first argument is empty; allowed is the name of a program")
    for key, least, most in (("timeout", "1s", "5m"), ("give_up_after", "1m", "7d")):
        text = getattr(settings, key)
        try:
            length = parse_duration(text)
        except BadInput as error:
            raise BadInput(f"deliver.{key}: {error}") from error
        if not parse_duration(least) <= length <= parse_duration(most):
            raise BadInput(f"deliver.{key}: {text} is not allowed; allowed are {least} to {most}")


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or any(sign.isspace() for sign in url):
        shown = url.partition("?")[0].rpartition("@")[2]
        raise BadInput(f"deliver.webhooks: {shown!r} is no address; allowed is http://HOST/PATH or https://HOST/PATH")
