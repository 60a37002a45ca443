"""Profiles: defaults of other options, each of which can be given by itself."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from emulator.settings import SettingError, Settings, load_settings
from emulator.settings.option_fields import options
from emulator.settings.settings import PROFILES

PAGE = Path(__file__).parents[2] / "docs" / "factory.md"


def test_the_profile_desk_is_the_default_and_changes_nothing() -> None:
    assert PROFILES["desk"] == {}
    assert load_settings({}, {}) == load_settings({"profile": "desk"}, {}) == Settings()


def test_the_profile_factory_sets_defaults_that_each_option_can_change(tmp_path: Path) -> None:
    factory = load_settings({"profile": "factory", "data": str(tmp_path)}, {})
    assert {name: getattr(factory, name) for name in PROFILES["factory"]} == PROFILES["factory"]
    assert factory.log_file == tmp_path / "logs" / "emulator.log"
    given = {"profile": "factory", "metrics": False, "log_file": str(tmp_path / "x"), "log_level": "error"}
    changed = load_settings(given, {"CUSTOM_VISION_EMULATOR_LEAST_FREE_MB": "1"})
    assert (changed.metrics, changed.log_file, changed.log_level, changed.least_free_mb) == (
        False,
        tmp_path / "x",
        "error",
        1,
    )
    switched_off = load_settings({}, {
        "CUSTOM_VISION_EMULATOR_PROFILE": "Factory",
        "CUSTOM_VISION_EMULATOR_METRICS": "off",
    })  # fmt: skip
    assert (switched_off.profile, switched_off.metrics) == ("factory", False)


TEAM = {"profile": "team", "database": "postgresql://user@host/name", "blobs": "s3://bucket/prefix"}


def test_the_profile_team_sets_defaults_that_each_option_can_change() -> None:
    team = load_settings(TEAM, {})
    assert {name: getattr(team, name) for name in PROFILES["team"]} == PROFILES["team"]
    assert (team.log_file, team.most_predictions) == (None, 0)
    assert load_settings({**TEAM, "log_format": "text"}, {}).log_format == "text"


@pytest.mark.parametrize("missing", ["database", "blobs"])
def test_the_profile_team_names_the_store_that_is_missing(missing: str) -> None:
    flags = {name: value for name, value in TEAM.items() if name != missing}
    with pytest.raises(SettingError, match=f"--profile: team needs --{missing} .or CUSTOM_VISION_EMULATOR_"):
        load_settings(flags, {})
    variable = f"CUSTOM_VISION_EMULATOR_{missing.upper()}"
    assert load_settings(flags, {variable: TEAM[missing]}).profile == "team"


def test_the_profile_team_names_all_that_is_missing() -> None:
    with pytest.raises(SettingError, match=r"needs --database .* and --blobs "):
        load_settings({"profile": "team"}, {})
    with pytest.raises(SettingError, match="team cannot be used with --ephemeral"):
        load_settings({**TEAM, "ephemeral": True}, {})


def test_temporary_state_has_no_log_file() -> None:
    assert load_settings({"profile": "factory", "ephemeral": True}, {}).log_file is None


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(SettingError, match="--profile: 'office' is not one of: desk, factory, team"):
        load_settings({"profile": "office"}, {})


def test_the_page_lists_what_the_profile_changes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    described, defaults = options(Settings), {one.name: one.default for one in fields(Settings)}
    for name, value in PROFILES["factory"].items():
        team = PROFILES["team"].get(name, defaults[name])
        cells = (described[name].flag, *map(_shown, (defaults[name], value, team)))
        assert f"| {' | '.join(f'`{cell}`' for cell in cells)} |" in text


def _shown(value: object) -> object:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value
