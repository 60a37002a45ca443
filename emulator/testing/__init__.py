"""What test suites import: servers, their control, sample projects and images, and a guard against Azure.

Modules are imported when one of their names is first used, so that a test suite pays only for what it uses.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.settings.errors import SettingError, StartRefused
    from emulator.testing.azure_guard import AzureForbidden, forbid_azure
    from emulator.testing.control import EmulatorControl
    from emulator.testing.control_client import EmulatorError
    from emulator.testing.projects import SampleProject
    from emulator.testing.server import EmulatorServer, RunningEmulator
    from emulator.testing.unittest_cases import AsyncEmulatorTestCase, EmulatorTestCase

__all__ = [
    "AsyncEmulatorTestCase",
    "AzureForbidden",
    "EmulatorControl",
    "EmulatorError",
    "EmulatorServer",
    "EmulatorTestCase",
    "RunningEmulator",
    "SampleProject",
    "SettingError",
    "StartRefused",
    "forbid_azure",
]

_MODULES = {
    "AsyncEmulatorTestCase": "emulator.testing.unittest_cases",
    "AzureForbidden": "emulator.testing.azure_guard",
    "EmulatorControl": "emulator.testing.control",
    "EmulatorError": "emulator.testing.control_client",
    "EmulatorServer": "emulator.testing.server",
    "EmulatorTestCase": "emulator.testing.unittest_cases",
    "RunningEmulator": "emulator.testing.server",
    "SampleProject": "emulator.testing.projects",
    "SettingError": "emulator.settings.errors",
    "StartRefused": "emulator.settings.errors",
    "forbid_azure": "emulator.testing.azure_guard",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
