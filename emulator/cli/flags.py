"""Options of a settings class as options of a command, and types of other arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from emulator.serving.settings import ServingSettings
from emulator.settings import SettingError, Settings, load_settings
from emulator.settings.option_fields import Option, load_options, options
from emulator.settings.readers import read_path

Flags = dict[str, Any]


def absolute_path(text: str) -> Path:
    """The type of an argument that is a path, read like those of the settings. Raises SettingError."""
    try:
        return read_path(text)
    except ValueError as error:
        raise SettingError(f"{text!r} {error}") from None


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add every option of `Settings` to a command and pass it the `Settings` as `settings`."""
    return _with_options(command, Settings, options(Settings), load_settings)


def with_serving_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `ServingSettings` to a command, except `model`, which is the command's argument."""
    described = options(ServingSettings)
    del described["model"]

    def load(flags: Flags) -> ServingSettings:
        return ServingSettings(**load_options(ServingSettings, flags))

    return _with_options(command, ServingSettings, described, load)


def _with_options(
    command: Callable[..., None], of: type, described: dict[str, Option], load: Callable[[Flags], object]
) -> Callable[..., None]:
    @functools.wraps(command)
    def run(**given: Any) -> None:
        flags = {name: given.pop(name) for name in described}
        # click passes () for an option with several values that was not given.
        settings = load({name: value for name, value in flags.items() if value != ()})
        command(settings=settings, **given)

    for name, option in reversed(described.items()):
        default = option.default_text or getattr(of, name, "")
        note = f"[{option.variable}]" if option.switch else f"[{option.variable}; default: {default}]"
        bare: dict[str, Any] = {} if option.bare is None else {"flag_value": option.bare}
        add_option = click.option(
            option.flag,
            name,
            metavar=None if option.switch else option.metavar,
            help=f"{option.help} {note}",
            is_flag=option.switch,
            multiple=option.separator is not None,
            default=None,
            **bare,
        )
        run = add_option(run)
    return run
