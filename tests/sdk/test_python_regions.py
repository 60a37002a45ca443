"""Regions through every version of the official Python SDK: each speaks another version of the API."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.sdk.conftest import FileServer
from tests.sdk.live import Emulator
from tests.sdk.programs import run_main_job
from tests.sdk.test_python_versions import CURRENT, REPOSITORY, sdk_folder

PROPERTIES = ["imageId", "regionId", "tagName", "created", "tagId", "left", "top", "width", "height"]
STATUS_OF_EXCEEDED = {"1.0.0": 200, "2.0.0": 200, "3.0.0": 207, CURRENT: 207}


@pytest.mark.parametrize("version", STATUS_OF_EXCEEDED)
def test_regions(emulator: Emulator, file_server: FileServer, version: str) -> None:
    path = [str(REPOSITORY)] if version == CURRENT else [str(sdk_folder(version)), str(REPOSITORY)]
    output = run_main_job(
        [sys.executable, str(Path(__file__).with_name("regions_job.py"))],
        emulator,
        file_server,
        PYTHONPATH=os.pathsep.join(path),
    )
    assert json.loads(output.splitlines()[-1]) == {
        "status of exceeded": STATUS_OF_EXCEEDED[version],
        "properties": PROPERTIES,
        "illegal": "Illegal region",
        "regions": 300,
    }
