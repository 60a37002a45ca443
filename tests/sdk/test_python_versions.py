"""The main job through every version of the official Python SDK: each speaks another version of the APIs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.conftest import FileServer
from tests.sdk.live import Emulator
from tests.sdk.programs import run_main_job

REPOSITORY = Path(__file__).parents[2]
PACKAGE = "azure-cognitiveservices-vision-customvision"
CURRENT = "3.1.1"
DOWNLOAD_SECONDS = 120

_ITERATION_3_0 = [
    "id",
    "name",
    "status",
    "created",
    "lastModified",
    "trainedAt",
    "projectId",
    "exportable",
    "exportableTo",
    "domainId",
    "classificationType",
    "trainingType",
    "reservedBudgetInHours",
    "publishName",
    "originalPublishResourceId",
]
_ITERATION_3_1 = [*_ITERATION_3_0[:13], "trainingTimeInMinutes", *_ITERATION_3_0[13:]]
_ITERATION_3_4 = [*_ITERATION_3_1, "customBaseModelInfo", "trainingErrorDetails"]

# What tells the versions apart, by the version of the SDK.
LOOKS: dict[str, dict[str, Any]] = {
    "1.0.0": {
        "training": "v3.0",
        "prediction": "v3.0",
        "status of duplicates": 200,
        "project has status": False,
        "iteration": _ITERATION_3_0,
        "exportableTo": [],
        "tagType": False,
        "digits of created": 7,
        "Request-Id": False,
    },
    "2.0.0": {
        "training": "v3.2",
        "prediction": "v3.0",
        "status of duplicates": 200,
        "project has status": True,
        "iteration": _ITERATION_3_1,
        "exportableTo": [],
        "tagType": False,
        "digits of created": 7,
        "Request-Id": True,
    },
    "3.0.0": {
        "training": "v3.3",
        "prediction": "v3.1",
        "status of duplicates": 207,
        "project has status": True,
        "iteration": _ITERATION_3_1,
        "exportableTo": [],
        "tagType": True,
        "digits of created": 3,
        "Request-Id": True,
    },
    CURRENT: {
        "training": "v3.4-preview",
        "prediction": "v3.1",
        "status of duplicates": 207,
        "project has status": True,
        "iteration": _ITERATION_3_4,
        "exportableTo": None,
        "tagType": True,
        "digits of created": 3,
        "Request-Id": True,
    },
}


@pytest.mark.parametrize("version", LOOKS)
def test_the_main_job(emulator: Emulator, file_server: FileServer, version: str) -> None:
    path = [str(REPOSITORY)] if version == CURRENT else [str(sdk_folder(version)), str(REPOSITORY)]
    output = run_main_job(
        [sys.executable, str(Path(__file__).with_name("main_job.py"))],
        emulator,
        file_server,
        PYTHONPATH=os.pathsep.join(path),
    )
    assert json.loads(output.splitlines()[-1]) == LOOKS[version]


def sdk_folder(version: str) -> Path:
    """The folder into which that version of the SDK is installed, once; skips the test when it cannot be."""
    folder = REPOSITORY / ".cache" / f"sdk-{version}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as temporary:
        target = Path(temporary) / "sdk"
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        command += ["--no-deps", "--only-binary", ":all:", "--target", str(target), f"{PACKAGE}=={version}"]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
            problem = ended.stderr.strip().splitlines()[-1:] if ended.returncode else []
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = [str(error)]
        if problem or not target.is_dir():
            pytest.skip(f"{PACKAGE}=={version} cannot be installed by pip (network?): {' '.join(problem)}")
        try:
            target.rename(folder)
        except OSError:  # another run of the tests was faster
            assert folder.is_dir()
    return folder
