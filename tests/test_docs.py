"""What the documents claim is there: commands, settings, routes, rooms, sizes."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from gapless import __version__
from gapless.cli.app import app
from gapless.collect.settings import CollectSettings, MoverSettings, VenueSettings
from gapless.config import EXPLAINED, StoreSettings, commented
from gapless.consolidate.settings import ConsolidateSettings
from gapless.deliver.settings import DeliverSettings
from gapless.derive.signals.settings import PatternSettings, ReversalSettings, SignalSettings, SpikeSettings
from gapless.serve.settings import ServeSettings
from gapless.venues.registry import VENUES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MODULES = sorted((ROOT / "src/gapless").rglob("*.py"))


def commands() -> set[str]:
    return {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}


def test_a_reader_finds_every_command_in_the_readme_and_no_other() -> None:
    table = README[README.index("## What you get") : README.index("Rows come as")]
    told = set(re.findall(r"`gapless ([a-z]+)", table)) | {"book", "instruments"}
    assert told == commands()


def test_no_setting_is_without_its_explanation() -> None:
    fields = {
        f"{section}.{field.name}"
        for section, kind in (
            ("store", StoreSettings),
            ("collect", CollectSettings),
            ("movers", MoverSettings),
            ("consolidate", ConsolidateSettings),
            ("serve", ServeSettings),
            ("signals", SignalSettings),
            ("signals.reversal", ReversalSettings),
            ("signals.patterns", PatternSettings),
            ("signals.volume_spike", SpikeSettings),
            ("deliver", DeliverSettings),
            ("venues.NAME", VenueSettings),
        )
        for field in msgspec.structs.fields(kind)
        if not (isinstance(field.type, type) and issubclass(field.type, msgspec.Struct))
    }
    assert set(EXPLAINED) == fields


def test_the_commented_configuration_is_toml_with_every_venue() -> None:
    tree = tomllib.loads(commented(VENUES))
    assert set(tree["venues"]) == set(VENUES)
    assert tree["serve"]["listen"] == ["127.0.0.1:8787"]


def test_the_version_is_told_once() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


def test_every_route_of_the_readme_is_served() -> None:
    routes = "".join(path.read_text() for path in (ROOT / "src/gapless/serve").glob("*.py"))
    block = re.search(r"/api/v1/\{([a-z,]+)\}", README)
    assert block
    for name in block[1].split(","):
        assert f'"/{name}"' in routes or f'/api/v1/{name}"' in routes, name


def test_every_room_of_the_design_stands_and_every_room_is_in_the_design() -> None:
    layout = (ROOT / "docs/design.md").read_text().split("## Layout")[1].split("```")[1]
    told = set(re.findall(r"(?:^|\| +)([a-z]+)/ ", layout, re.M))
    there = {path.name for path in (ROOT / "src/gapless").iterdir() if (path / "__init__.py").is_file()}
    assert told == there


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_module_stays_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in {"utils", "helpers", "common", "base"}
