"""The versions of the official SDKs that tests compare the contract with and run against the emulator.

`make test` puts all of them beside each other (`tools/install_sdks.py`, and npm in `javascript/`); no test
downloads anything. A test whose SDK is missing is skipped with a message that says how to install it.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
JAVASCRIPT_FOLDER = Path(__file__).parent / "javascript"
CURRENT = "3.1.1"
"""The version of the Python SDK that stands in the environment of the tests itself."""
NEWEST_JAVASCRIPT = "5.2.0"
"""The newest version of the JavaScript SDK's training package; that of the prediction package is 5.1.2."""


@dataclass(frozen=True)
class Sdk:
    """One version of the official SDK of a language.

    training, prediction: the versions of the APIs that it calls. redirected_from: the version of the
    Training API that it calls by default, where tests redirect it to another one.
    """

    language: str
    version: str
    training: str
    prediction: str
    redirected_from: str | None = None

    def __str__(self) -> str:
        sent = f" sent to {self.training}" if self.redirected_from else ""
        return f"{self.language} {self.version}{sent}"

    def speaks(self, api: str) -> str:
        return self.training if api == "training" else self.prediction


SDKS = (
    Sdk("Python", "1.0.0", "3.0", "3.0"),
    Sdk("Python", "2.0.0", "3.2", "3.0"),
    Sdk("Python", "3.0.0", "3.3", "3.1"),
    Sdk("Python", CURRENT, "3.4-preview", "3.1"),
    Sdk("JavaScript", "3.0.0", "3.0", "3.0"),
    Sdk("JavaScript", "4.0.0", "3.0", "3.0"),
    Sdk("JavaScript", NEWEST_JAVASCRIPT, "3.4-preview", "3.1"),
)

# No official SDK calls Training 3.1. That of 3.2 has two more operations and one more argument.
REDIRECTED = (Sdk("Python", "2.0.0", "3.1", "3.0", redirected_from="3.2"),)


def python_path(version: str) -> str:
    """The PYTHONPATH of a program that imports that version of the Python SDK, and these tests."""
    folders = [REPOSITORY] if version == CURRENT else [sdk_folder(version), REPOSITORY]
    return os.pathsep.join(str(folder) for folder in folders)


def sdk_folder(version: str) -> Path:
    """The folder with an older version of the Python SDK; skips the test where it is missing."""
    folder = REPOSITORY / ".cache" / f"sdk-{version}"
    if not folder.is_dir():
        pytest.skip(
            f"version {version} of the Python SDK is not installed (run make test, or tools/install_sdks.py)"
        )
    return folder


def javascript_packages(version: str) -> tuple[str, str]:
    """The names under which npm installed the training and the prediction package of that version."""
    if version == NEWEST_JAVASCRIPT:
        name = "@azure/cognitiveservices-customvision"
        return f"{name}-training", f"{name}-prediction"
    return f"training-{version}", f"prediction-{version}"


def node() -> str:
    """The path of Node; skips the test where it or a JavaScript SDK is missing."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed (get Node 20 or newer from nodejs.org)")
    javascript_sdk()
    return program


def javascript_sdk() -> None:
    """Skips the test where a JavaScript SDK is missing."""
    for version in (sdk.version for sdk in SDKS if sdk.language == "JavaScript"):
        for name in javascript_packages(version):
            if not (JAVASCRIPT_FOLDER / "node_modules" / name).is_dir():
                pytest.skip(f"{name} is not installed (run make test, or npm ci in tests/sdk/javascript)")


def command(sdk: Sdk, program: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs a program of these tests with an SDK, and its environment variables.

    `program`: the name of a Python module of `tests`, or of a JavaScript file in `javascript/` without its
    ending; a JavaScript program gets the names of its two packages as arguments.
    """
    if sdk.language == "Python":
        path = {"PYTHONPATH": python_path(sdk.version)}
        return [sys.executable, "-m", f"tests.{program}", *arguments], path
    file = JAVASCRIPT_FOLDER / f"{program}.mjs"
    return [node(), str(file), *javascript_packages(sdk.version), *arguments], {}
