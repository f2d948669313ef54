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
from gapless.environment import VARIABLES
from gapless.hub import EVENTS
from gapless.serve.pushing import PUSHED
from gapless.serve.settings import ServeSettings
from gapless.venues.registry import VENUES

ROOT = Path(__file__).parents[1]
SEEDS = (ROOT / "docs/seeds.md").read_text()
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


def told(heading: str) -> list[list[str]]:
    """The cells of the table under a heading of docs/seeds.md."""
    part = SEEDS.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_test_that_answers_to_a_seed_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SEEDS)
    assert len(named) > 40
    for path, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.M), f"{path}::{name}"


def test_the_seeds_variables_are_told_with_their_settings_and_no_other() -> None:
    ours = {variable: key for variable, key in VARIABLES.items() if not variable.startswith("GAPLESS_")}
    assert {row[0].strip("`"): row[1].strip("`") for row in told("Variables")} == ours
    assert set(ours.values()) <= EXPLAINED.keys()


def test_every_event_is_told_and_what_is_pushed_is_marked() -> None:
    rows = [row[0] for row in told("Events")]
    assert {name.strip("*`") for name in rows} == set(EVENTS)
    assert {name.strip("*`") for name in rows if name.startswith("**")} == set(PUSHED)


def test_the_seeds_paths_and_ours_are_served() -> None:
    routes = "".join(path.read_text() for path in (ROOT / "src/gapless/serve").glob("*.py"))
    paths = set(re.findall(r"(?:GET|POST) (/[\w/{}.-]+)", SEEDS))
    assert {"/health", "/system/status", "/api/v1/priority"} <= paths
    for path in paths:
        assert f'"{path.replace("{id}", "{id:path}")}"' in routes, path


def test_every_command_and_setting_that_is_told_of_a_seed_exists() -> None:
    assert set(re.findall(r"gapless ([a-z]+)", SEEDS)) - {"grew"} <= commands()
    sections = {key.partition(".")[0] for key in EXPLAINED} - {"store", "serve"}
    for key in re.findall(r"`((?:{})\.[A-Za-z_.]+)[ `]".format("|".join(sections)), SEEDS):
        assert any(known == key or known.startswith(f"{key}.") for known in EXPLAINED), key


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_module_stays_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in {"utils", "helpers", "common", "base"}
