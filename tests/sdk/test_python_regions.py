"""Regions through every version of the official Python SDK: each calls another version of the API."""

from __future__ import annotations

import json
import sys

import pytest

from tests.sdk.conftest import FileServer
from tests.sdk.installed import CURRENT, python_path
from tests.sdk.live import Emulator
from tests.sdk.programs import run_main_job

PROPERTIES = ["imageId", "regionId", "tagName", "created", "tagId", "left", "top", "width", "height"]
STATUS_OF_EXCEEDED = {"1.0.0": 200, "2.0.0": 200, "3.0.0": 207, CURRENT: 207}


@pytest.mark.parametrize("version", STATUS_OF_EXCEEDED)
def test_regions(emulator: Emulator, file_server: FileServer, version: str) -> None:
    output = run_main_job(
        [sys.executable, "-m", "tests.sdk.regions_job"],
        emulator,
        file_server,
        PYTHONPATH=python_path(version),
    )
    assert json.loads(output.splitlines()[-1]) == {
        "status of exceeded": STATUS_OF_EXCEEDED[version],
        "properties": PROPERTIES,
        "illegal": "Illegal region",
        "regions": 300,
    }
