"""The receivers: a webhook is sent a POST, a command is run with the event on its standard input."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from gapless.deliver.plan import DELIVERED, Letter, Outcome, outcome_of, signature
from gapless.deliver.settings import DeliverSettings, WebhookSettings, target_of
from gapless.errors import BadInput, Unavailable
from gapless.model.signal import SignalFilter


class Posts(Protocol):
    """Sends to addresses of the user's own."""

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Send one POST, follow no redirect, and give the status; a broken network is `Unavailable`."""


class Commands(Protocol):
    """Runs programs of the user's own."""

    def there(self, name: str) -> bool:
        """Say whether there is such a program."""

    async def run(self, arguments: Sequence[str], text: bytes) -> int:
        """Run one with a text on its standard input and give its exit status; `Unavailable` where it cannot be run.
        Cancelled, it is killed."""


class Receiver(Protocol):
    """Somebody who is given signals. `name` may be shown; `key` is what its place is kept under."""

    name: str
    key: str
    which: SignalFilter

    async def give(self, letter: Letter) -> Outcome:
        """Try once; cancelled, it leaves nothing running."""


def _key(name: str, *whole: str) -> str:
    """Tell receivers of one name apart without keeping what may be secret."""
    return f"{name} {sha256(chr(0).join(whole).encode()).hexdigest()[:16]}"


class Webhook:
    """An address that takes events by POST; its answer's status says what became of them."""

    def __init__(self, posts: Posts, settings: WebhookSettings, secret: str | None) -> None:
        self.name = target_of(settings.url)
        self.key = _key(self.name, settings.url)
        self.which = settings.which()
        self._posts = posts
        self._url = settings.url
        self._secret = secret

    async def give(self, letter: Letter) -> Outcome:
        """Send one event."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": letter.id}
        if self._secret:
            headers["X-Gapless-Signature"] = signature(self._secret, letter.body)
        try:
            return outcome_of(await self._posts.post(self._url, headers, letter.body))
        except Unavailable as trouble:
            return Outcome("failed", str(trouble))


class Command:
    """A program that is run once an event; exit status 0 says that it has it."""

    def __init__(self, commands: Commands, arguments: Sequence[str]) -> None:
        self.name = f"command {arguments[0]}"
        self.key = _key(self.name, *arguments)
        self.which = SignalFilter()
        self._commands = commands
        self._arguments = arguments

    async def give(self, letter: Letter) -> Outcome:
        """Run it for one event."""
        try:
            status = await self._commands.run(self._arguments, letter.body + b"\n")
        except Unavailable as trouble:
            return Outcome("failed", str(trouble))
        return DELIVERED if status == 0 else Outcome("failed", f"exit status {status}")


def receivers_of(
    settings: DeliverSettings, posts: Posts, commands: Commands, environ: Mapping[str, str]
) -> list[Receiver]:
    """Make the receivers that are set; a secret or a program that is not there is a `BadInput`."""
    found: list[Receiver] = []
    for hook in settings.hooks():
        secret = environ.get(hook.secret_env) if hook.secret_env else None
        if hook.secret_env and not secret:
            raise BadInput(
                f"deliver.webhooks: secret_env of {target_of(hook.url)} names {hook.secret_env}, which the environment "
                "does not have; set it, or leave secret_env out"
            )
        found.append(Webhook(posts, hook, secret))
    if settings.command:
        if not commands.there(settings.command[0]):
            raise BadInput(f"deliver.command: there is no program {settings.command[0]!r}; allowed is one of the PATH")
        found.append(Command(commands, settings.command))
    return found
