"""Faults with the official JavaScript SDK, run by Node."""

from __future__ import annotations

import os
import subprocess

from tests.sdk.installed import JAVASCRIPT_FOLDER, node
from tests.sdk.live import Emulator
from tests.support.harness import PATIENCE_SECONDS, TRAINING_KEY


def test_what_the_sdk_repeats_and_raises(emulator: Emulator) -> None:
    ran = subprocess.run(
        [node(), str(JAVASCRIPT_FOLDER / "faults.mjs")],
        env={
            **os.environ,
            "VISION_TRAINING_ENDPOINT": emulator.endpoint,
            "VISION_TRAINING_KEY": TRAINING_KEY,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "done\n"
