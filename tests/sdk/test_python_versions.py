"""The main job through every version of the official Python SDK: each calls another version of the APIs."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.sdk.conftest import FileServer
from tests.sdk.installed import CURRENT, python_path
from tests.sdk.live import Emulator
from tests.sdk.programs import run_main_job

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

# Differences between the versions, by version of the SDK.
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
    output = run_main_job(
        [sys.executable, "-m", "tests.sdk.main_job"], emulator, file_server, PYTHONPATH=python_path(version)
    )
    assert json.loads(output.splitlines()[-1]) == LOOKS[version]
