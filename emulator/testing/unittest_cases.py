"""Test cases of `unittest` with an emulator for each class."""

from __future__ import annotations

import unittest
from typing import Any, ClassVar

from emulator.testing.control import EmulatorControl
from emulator.testing.projects import SampleProject
from emulator.testing.server import EmulatorServer


class _WithEmulator(unittest.TestCase):
    """An emulator for the tests of a class, reset before each of them.

    Attributes:
        emulator_options: arguments of `EmulatorServer`, for a subclass to replace.
        snapshot: the name of a snapshot that is restored before each test, instead of a reset.
    """

    emulator_options: ClassVar[dict[str, Any]] = {}
    snapshot: ClassVar[str | None] = None
    emulator: ClassVar[EmulatorServer]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.emulator = cls.enterClassContext(EmulatorServer(**cls.emulator_options))

    def setUp(self) -> None:
        super().setUp()
        if self.snapshot is None:
            self.control.reset()
        else:
            self.control.snapshots.restore(self.snapshot)

    @property
    def control(self) -> EmulatorControl:
        """The emulator's control API."""
        return self.emulator.control

    def training_client(self) -> Any:
        """A client of the official SDK for the Training API, closed after the test."""
        client = self.emulator.training_client()
        self.addCleanup(client.close)
        return client

    def prediction_client(self) -> Any:
        """The same for the Prediction API."""
        client = self.emulator.prediction_client()
        self.addCleanup(client.close)
        return client

    def create_project(self, **options: Any) -> SampleProject:
        """Create a project with images; see `emulator.testing.projects.create_project`."""
        return self.emulator.create_project(**options)


class EmulatorTestCase(_WithEmulator):
    """A test case with an emulator; see `emulator_options` and `snapshot`."""


class AsyncEmulatorTestCase(_WithEmulator, unittest.IsolatedAsyncioTestCase):
    """The same for asynchronous tests."""
