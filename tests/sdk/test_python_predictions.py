"""Stored predictions, metadata and artifacts through every version of the official Python SDK."""

from __future__ import annotations

import json
import sys

import pytest

from tests.sdk.conftest import FileServer
from tests.sdk.installed import CURRENT, python_path
from tests.sdk.live import Emulator
from tests.sdk.programs import run_main_job

_TOKEN = [
    "session",
    "continuation",
    "maxCount",
    "orderBy",
    "tags",
    "iterationId",
    "startTime",
    "endTime",
    "application",
]
_PROPERTIES = [
    "resizedImageUri",
    "thumbnailUri",
    "originalImageUri",
    "domain",
    "id",
    "project",
    "iteration",
    "created",
    "predictions",
]
_PREDICTION = ["probability", "tagId", "tagName"]
_SINCE_3_3 = {
    "prediction": [*_PREDICTION, "tagType"],
    "status of missing": 207,
    "metadata": [207, "application/octet-stream"],
}
_BEFORE = {"prediction": _PREDICTION, "status of missing": 200, "metadata": None}
LOOKS = {"1.0.0": _BEFORE, "2.0.0": _BEFORE, "3.0.0": _SINCE_3_3, CURRENT: _SINCE_3_3}


@pytest.mark.parametrize("version", LOOKS)
def test_predictions(emulator: Emulator, file_server: FileServer, version: str) -> None:
    output = run_main_job(
        [sys.executable, "-m", "tests.sdk.predictions_job"],
        emulator,
        file_server,
        PYTHONPATH=python_path(version),
    )
    assert json.loads(output.splitlines()[-1]) == {
        "token": _TOKEN,
        "properties": _PROPERTIES,
        "refused": "BadRequestPredictionInvalidQueryParameters",
        **LOOKS[version],
    }
