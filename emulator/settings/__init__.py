"""The options of the emulator: flags, environment variables, defaults."""

from emulator.settings.errors import SettingError, StartRefused
from emulator.settings.option_fields import ENVIRONMENT_PREFIX, options
from emulator.settings.settings import (
    DEFAULT_PORT,
    DEFAULT_PREDICTION_KEYS,
    DEFAULT_PREDICTION_RESOURCE_ID,
    DEFAULT_TRAINING_KEYS,
    Settings,
    default_data_folder,
    load_settings,
)

__all__ = [
    "DEFAULT_PORT",
    "DEFAULT_PREDICTION_KEYS",
    "DEFAULT_PREDICTION_RESOURCE_ID",
    "DEFAULT_TRAINING_KEYS",
    "ENVIRONMENT_PREFIX",
    "SettingError",
    "Settings",
    "StartRefused",
    "default_data_folder",
    "load_settings",
    "options",
]
