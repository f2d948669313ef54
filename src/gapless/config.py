"""The settings: composed, read, checked and explained. Order: --set, environment, gapless.toml, default."""

import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct, field

from gapless.collect.settings import CollectSettings, MoverSettings, VenueSettings, check_movers
from gapless.collect.settings import check as check_venue
from gapless.consolidate.settings import ConsolidateSettings, UnifiedSettings
from gapless.consolidate.settings import check as check_consolidate
from gapless.deliver.settings import DeliverSettings, WebhookSettings
from gapless.deliver.settings import check as check_deliver
from gapless.derive.signals.settings import SignalSettings, Thresholds, inherited
from gapless.derive.signals.settings import check as check_signals
from gapless.environment import from_environment
from gapless.errors import BadInput, UnknownName
from gapless.model import Environment
from gapless.model.times import parse_duration
from gapless.serve.settings import ServeSettings
from gapless.tape.aging import Ages, read_age
from gapless.venues.registry import VENUES
from gapless.venues.registry import venue as known_venue


class StoreSettings(Struct, forbid_unknown_fields=True, kw_only=True):
    """Where rows and ledger are kept, and how long what is collected live stays; empty: for ever, as candles do."""

    url: str = "sqlite:///gapless.db"
    durability: str = "normal"
    min_free: int = 1_000_000_000
    commit_every_ms: int = 20
    keep_trades: str = "7d"
    keep_ladders: str = "30d"
    keep_events: str = "90d"
    keep_log: str = "7d"
    keep_signals: str = ""

    def ages(self) -> Ages:
        """Read how long each kind stays."""
        kinds = ("trades", "ladders", "events", "log", "signals")
        return Ages(**{kind: read_age(f"store.keep_{kind}", getattr(self, f"keep_{kind}")) for kind in kinds})


def _consolidated() -> ConsolidateSettings:
    """Give the settings of consolidation: its primary is the first venue that there is."""
    return ConsolidateSettings(primary=next(iter(VENUES)))


class Settings(Struct, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set."""

    store: StoreSettings = field(default_factory=StoreSettings)
    collect: CollectSettings = field(default_factory=CollectSettings)
    movers: MoverSettings = field(default_factory=MoverSettings)
    consolidate: ConsolidateSettings = field(default_factory=_consolidated)
    serve: ServeSettings = field(default_factory=ServeSettings)
    signals: SignalSettings = SignalSettings()
    deliver: DeliverSettings = DeliverSettings()
    venues: dict[str, VenueSettings] = field(default_factory=dict)

    def venue(self, name: str) -> VenueSettings:
        """Give the settings of a venue, its defaults where nothing is set."""
        own = self.venues.setdefault(name, VenueSettings())
        if own.products_per_connection is None:
            own.products_per_connection = self.collect.products_per_connection
        return own


EXPLAINED = {
    "store.url": "sqlite:///FILE",
    "store.durability": "normal survives kill -9; full survives power loss too",
    "store.commit_every_ms": "20 to 1000: how long trades wait for company; 250 halves CPU, minutes close as fast",
    "store.min_free": "bytes of disk below which trades stop being stored, as a named hole",
    "store.keep_trades": "how long trades stay that were collected live; 1h or more, empty for ever, here and below",
    "store.keep_ladders": "volume by price of each minute, which footprints are made of; never less than trades",
    "store.keep_events": "connections, repairs, doubles",
    "store.keep_log": "how far back a stream can be resumed; never more than trades",
    "store.keep_signals": "signals",
    "collect.instruments": "ids such as binance:BTCUSDT, or a venue; used when `gapless run` is given none",
    "collect.products": "what is collected of a venue named without a symbol, in its own symbols; empty: see top",
    "collect.top": "then so many of the highest quote volume in 24 h; 0: all online ones of the usual quote",
    "collect.products_per_connection": "instruments on one connection of any venue; unset: as each has it",
    "collect.history": "candles fetched before the first live one",
    "collect.resume_within": "an earlier run is joined on to if it ended at most this long ago",
    "collect.streams": "false: nothing is streamed, closed bars come by REST, a round a minute within the budget",
    "collect.tickers": "24 h tickers",
    "collect.quotes": "best bid and ask",
    "collect.books": "ids whose full order book is kept",
    "collect.priority": "ids that come first: delivered first under load, repaired first",
    "collect.fetch_at_most": "a question that misses more than can be fetched in this time is refused the fetch",
    "movers.venue": "the venue whose top movers are collected beside the instruments named; empty: none",
    "movers.gainers": "how many of those that rose most in 24 h",
    "movers.losers": "how many of those that fell most",
    "movers.min_quote_volume": "USDT traded in 24 h below which an instrument is no mover",
    "movers.min_change": "fewer changes than this are not applied",
    "movers.every": "how often they are chosen anew",
    "consolidate.enabled": "what is collected at two venues or more is one market as well",
    "consolidate.primary": "the venue that is followed while it is healthy; where it is none of the sources, the first",
    "consolidate.failover": "another source takes over when the active one is unhealthy; false stays on the primary",
    "consolidate.max_latency_ms": "a source whose heartbeat takes longer is unhealthy",
    "consolidate.stale_after_ms": "silence of an instrument after which its source is stale, where it is unusual there",
    "consolidate.max_errors": "breaks and malformed frames in a minute beyond which a source is unhealthy",
    "consolidate.dwell_s": "the primary takes over again once it has been healthy for so long",
    "consolidate.resolution": "whose price: primary (the active source), latest (by receipt) or average (weighted)",
    "consolidate.outlier_mads": "a price further than so many MADs from the median is no part of the average",
    "consolidate.instruments": "by symbol: ids of its sources, its primary, its own stale_after_ms",
    "serve.listen": "addresses of the HTTP API; empty serves nothing",
    "serve.token": "required before anything but loopback is bound",
    "serve.cors_origins": "origins whose pages may call the API",
    "serve.ring_events": "events kept for clients that fall behind; beyond it they read from the store",
    "serve.ring_bytes": "bytes kept for them",
    "serve.hot_minutes": "newest minutes of each instrument that are answered from memory",
    "serve.newest_every_ms": "how often tickers, quotes and books are sent",
    "serve.most_streams": "streams of one connection",
    "serve.ping_every_s": "heartbeat of the stream",
    "serve.ping_limit_s": "a client that answers no heartbeat for so long is dropped",
    "signals.enabled": "closed bars are judged",
    "signals.timeframes": "those of every rule that names none of its own",
    "signals.min_proof": "bars proven less are not judged: official, repaired or proven",
    "signals.at": "what stands in such a section differs on that timeframe",
    "signals.reversal.enabled": "reversal candles",
    "signals.reversal.timeframes": "empty: signals.timeframes",
    "signals.reversal.body_percent": "the body is less than this share of the range",
    "signals.reversal.short_tail_percent": "the short tail is at most this share",
    "signals.reversal.long_tail_percent": "the long tail is at least this share",
    "signals.reversal.min_risk_percent": "from close to stop is at least this share of the close; 0 asks for none",
    "signals.patterns.enabled": "candlestick patterns",
    "signals.patterns.timeframes": "empty: signals.timeframes",
    "signals.patterns.names": "any of TA-Lib's, as gapless writes them",
    "signals.patterns.context_bars": "a pattern lies at an extreme of so many bars before it; 0 asks for none",
    "signals.volume_spike.enabled": "volume spikes, judged every minute",
    "signals.volume_spike.rule": "robust: ratio, z and trades; ratio: the ratio alone",
    "signals.volume_spike.threshold": "more than so many times the mean window",
    "signals.volume_spike.rearm": "an episode has ended below so many times",
    "signals.volume_spike.window_minutes": "the trailing window, and those that it is held against",
    "signals.volume_spike.z": "robust z, at least",
    "signals.volume_spike.min_trades": "trades in the window, at least",
    "signals.volume_spike.windows_min": "silent until so many windows exist",
    "signals.volume_spike.windows_max": "windows that count, the newest",
    "signals.volume_spike.baseline_min": "windows that the mean needs; the rule ratio is silent until then",
    "signals.volume_spike.episode_minutes": "an episode is looked for in so many minutes before",
    "deliver.webhooks": "addresses; or {url, instruments, kinds, timeframes, sides, states, min_score, secret_env}",
    "deliver.command": "a program and its arguments: a signal as JSON on its standard input, status 0 when it has it",
    "deliver.timeout": "of one try",
    "deliver.give_up_after": "what waited so long for a receiver that fails is skipped, by name",
    "venues.NAME.environment": "live, demo or sim",
    "venues.NAME.sim_url": "the address that `gapless sim` prints",
    "venues.NAME.api_key": "a read-only key; only history of single trades needs one",
    "venues.NAME.api_secret": "signs tokens, with api_key as its name, where the venue takes them",
    "venues.NAME.token_life": "a connection is replaced before its token is so old; empty: tokens only begin one",
    "venues.NAME.trades_stream": "which stream of trades makes the tape; empty: the venue's usual one",
    "venues.NAME.books_stream": "which stream brings the books that are kept, where a venue has several",
    "venues.NAME.sides": "where nobody knows whose side its trades tell: maker or taker; empty: as it is documented",
    "venues.NAME.weight_per_minute": "own ceiling; unset: the venue's limit",
    "venues.NAME.reserve": "weight a minute that is never spent",
    "venues.NAME.min_interval_ms": "own ceiling: pause between requests, 0 for none",
    "venues.NAME.requests_per_hour": "own ceiling; unset: none",
    "venues.NAME.streams_per_connection": "own ceiling; unset: the venue's limit",
    "venues.NAME.products_per_connection": "instruments on one connection; unset: as usual there, or as many as fit",
    "venues.NAME.connects_per_5m": "own ceiling: attempts to connect; unset: the venue's limit",
    "venues.NAME.reconnect_limit": "attempts to connect again after a break, 0 for ever",
    "venues.NAME.connection_life": "a connection is replaced before it is so old; empty: before the venue ends it",
    "venues.NAME.archive": "the venue's public files serve to repair",
}

_MOST_PRODUCTS = 10_000
_EXAMPLES = {
    "requests_per_hour": 1_000,
    "products_per_connection": 15,
}  # of what is unset and has no limit of the venue to show


def load(
    *,
    sets: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
    file: Path = Path("gapless.toml"),
    venues: Iterable[str] = (),
) -> Settings:
    """Read the settings; a wrong key or value is a `BadInput` that names it and what is allowed."""
    tree: dict[str, Any] = {}
    if file.is_file():
        try:
            tree = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"{file} is not valid TOML: {error}") from error
        except OSError as error:
            raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    given = from_environment(environ, Settings)
    for key, (_, value) in given.items():
        _put(tree, key, value)
    for text in sets:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise BadInput(f"--set {text!r} must be key=value")
        _put(tree, key.strip(), _value(value.strip()))
        given.pop(key.strip(), None)
    known = list(venues)
    named = tree.get("venues", {})
    for name in named if isinstance(named, dict) else ():
        if known and name not in known:
            raise UnknownName(
                f"venues.{name}: there is no such venue; allowed are {', '.join(known)}{_near(name, known)}"
            )
    try:
        return _checked(tree)
    except BadInput as error:
        key, colon, rest = str(error).partition(":")
        if key not in given:
            raise
        raise type(error)(f"{given[key][0]}{colon}{rest}") from error  # who set a variable knows no key


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    here = tree
    for part in path:
        here = here.setdefault(part, {})
        if not isinstance(here, dict):
            raise BadInput(f"--set {key}: {part} is no section")
    here[last] = value


def _value(text: str) -> Any:
    """Read a value as TOML would, and as text where it is none."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _checked(tree: dict[str, Any]) -> Settings:
    _known_keys(tree, "", Settings)
    if "signals" in tree:
        tree = {**tree, "signals": inherited(tree["signals"])}
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise BadInput(_located(error, tree)) from error
    for key, text in (
        ("collect.history", settings.collect.history),
        ("collect.resume_within", settings.collect.resume_within),
        ("collect.fetch_at_most", settings.collect.fetch_at_most),
    ):
        try:
            parse_duration(text)
        except BadInput as error:
            raise BadInput(f"{key}: {error}") from error
    if (most := settings.collect.products_per_connection) is not None and most < 1:
        raise BadInput(f"collect.products_per_connection: {most} is not allowed; 1 or more is")
    if not 0 <= settings.collect.top <= _MOST_PRODUCTS:
        raise BadInput(f"collect.top: {settings.collect.top} is not allowed; allowed are 0 to {_MOST_PRODUCTS}")
    for key in ("books", "priority"):  # what names no venue would be waited for without a word
        for text in getattr(settings.collect, key):
            if text.partition(":")[0] not in VENUES:
                raise BadInput(f"collect.{key}: {text!r} names no venue; an id is venue:symbol")
    settings.store.ages()
    settings.consolidate.primary = settings.consolidate.primary or _consolidated().primary
    check_consolidate(settings.consolidate, VENUES)
    check_movers(settings.movers, VENUES)
    for name, venue in settings.venues.items():
        check_venue(venue, known_venue(name))
    check_signals(settings.signals)
    check_deliver(settings.deliver)
    if settings.store.durability not in ("normal", "full"):
        raise BadInput(f"store.durability: {settings.store.durability!r} is not allowed; allowed are normal, full")
    if not 20 <= (every := settings.store.commit_every_ms) <= 1_000:
        raise BadInput(f"store.commit_every_ms: {every} is not allowed; allowed are 20 to 1000")
    return settings


_BY_NAME = {  # sections by a name of the user's
    "venues": VenueSettings, "signals.at": Thresholds, "consolidate.instruments": UnifiedSettings,
}  # fmt: skip
_NAMED_LIKE = {"signals.at": "15m.reversal", "consolidate.instruments": '"BTC/USDT"'}


def _located(error: msgspec.ValidationError, tree: dict[str, Any]) -> str:
    """Say where a value of the wrong kind stands: of a section by name, the library does not tell which."""
    text, _, where = str(error).partition(" - at `$.")
    where = where.rstrip("`")
    section, within, _ = where.partition("[...]")
    if not within or section not in _BY_NAME:
        return f"{where or 'settings'}: {text}{_allowed(text)}"
    for key in section.split("."):
        tree = tree[key]
    for name, inner in tree.items():
        try:
            msgspec.convert(inner, _BY_NAME[section])
        except msgspec.ValidationError as own:
            text, _, field_of = str(own).replace(" | null", "").partition(" - at `$.")
            return f"{section}.{name}{'.' if field_of else ''}{field_of.rstrip('`')}: {text}{_allowed(text)}"
    return f"{where}: {text}"


def _allowed(text: str) -> str:
    if "unknown field" in text:  # known keys are checked before; only of tables in a list not
        return f"; allowed are {', '.join(WebhookSettings.__struct_fields__)}"
    if "Expected `array`" in text:
        return '; allowed is a list, as in ["..."]'
    return f"; allowed are {', '.join(get_args(Environment))}" if "enum" in text else ""


def _known_keys(tree: dict[str, Any], prefix: str, kind: Any) -> None:
    names = [item.name for item in msgspec.structs.fields(kind)]
    for key, value in tree.items():
        if key not in names:
            raise UnknownName(
                f"there is no setting {prefix}{key}; allowed are {', '.join(prefix + n for n in names)}"
                f"{_near(key, names)}"
            )
        if not isinstance(value, dict):
            continue
        inner_kind = next(item.type for item in msgspec.structs.fields(kind) if item.name == key)
        if get_origin(inner_kind) is dict:
            for name, inner in value.items():
                if isinstance(inner, dict):
                    _known_keys(inner, f"{prefix}{key}.{name}.", get_args(inner_kind)[1])
        elif isinstance(inner_kind, type) and issubclass(inner_kind, Struct):
            _known_keys(value, f"{prefix}{key}.", inner_kind)
        else:
            raise BadInput(f"{prefix}{key}: a value and no section, hence no {prefix}{key}.{next(iter(value))}")


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def commented(venues: Iterable[str]) -> str:
    """Write every setting with its default and what it means, as a gapless.toml."""
    settings = Settings()
    lines = ["# gapless.toml: every setting with its default. Order: --set, environment, this file, default."]
    for section in ("store", "collect", "movers", "consolidate", "serve", "signals", "deliver"):
        lines += _sections(section, getattr(settings, section))
    for name in venues:
        lines += ["", f"[venues.{name}]"]
        limits = msgspec.structs.asdict(known_venue(name).limits)
        lines += _section("venues.NAME.", msgspec.structs.asdict(VenueSettings()), limits)
    return "\n".join(lines) + "\n"


def _sections(name: str, values: Struct) -> list[str]:
    """Write a section and those within it; of one by a name of the user's, an example that is commented out."""
    lines, within = ["", f"[{name}]"], []
    plain = {}
    for key, value in msgspec.structs.asdict(values).items():
        if isinstance(value, Struct):
            within += _sections(f"{name}.{key}", value)
        elif isinstance(value, dict):
            section = f"{name}.{key}"
            within += ["", f"# [{section}.{_NAMED_LIKE[section]}]".ljust(44) + f"# {EXPLAINED[section]}"]
        else:
            plain[key] = value
    return [*lines, *_section(f"{name}.", plain), *within]


def _section(prefix: str, values: Mapping[str, Any], limits: Mapping[str, Any] | None = None) -> list[str]:
    """Write a section; what is unset by default is commented out, with the venue's own limit where that counts."""
    lines = []
    for name, value in values.items():
        unset = value is None
        shown = ((limits or {}).get(name) or _EXAMPLES.get(name, "")) if unset else value
        lines.append(f"{'# ' if unset else ''}{name} = {_toml(shown)}".ljust(43) + f" # {EXPLAINED[prefix + name]}")
    return lines


def _toml(value: Any) -> str:
    return msgspec.json.encode(value).decode()
