"""Runs the main job as a program, with an SDK that this process cannot import."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.sdk.conftest import FileServer
from tests.sdk.live import Emulator
from tests.support.harness import PATIENCE_SECONDS, PREDICTION_KEY, RESOURCE_ID, TRAINING_KEY


def run_main_job(
    command: Sequence[str], emulator: Emulator, photographs: FileServer | None = None, **more: str
) -> str:
    """Run a main job against the emulator; returns its output. The test fails when it fails.

    The parameters are environment variables: those of Microsoft's quickstarts, the folder
    of the images as IMAGES, its URL as IMAGES_URL, and `more`.
    """
    # A configured proxy cannot reach the loopback address.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VISION_") and not name.lower().endswith("_proxy")
    }
    if photographs is not None:
        more |= {"IMAGES": str(photographs.folder), "IMAGES_URL": f"http://{photographs.origin}"}
    environment = {
        "VISION_TRAINING_ENDPOINT": emulator.endpoint,
        "VISION_TRAINING_KEY": TRAINING_KEY,
        "VISION_PREDICTION_ENDPOINT": emulator.endpoint,
        "VISION_PREDICTION_KEY": PREDICTION_KEY,
        "VISION_PREDICTION_RESOURCE_ID": RESOURCE_ID,
    }
    ended = subprocess.run(
        command,
        env={**kept, **environment, **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=2 * PATIENCE_SECONDS,
    )
    print(ended.stdout)
    assert ended.returncode == 0, f"{Path(command[0]).name} ended with {ended.returncode}:\n{ended.stdout}"
    return ended.stdout
