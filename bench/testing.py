"""A session of pytest with the plugin: 100 tests, each of which trains and predicts; and the single steps.

Each test creates a project, uploads 10 images, trains (instantly), publishes and predicts, with the official
SDK, from a state without projects.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.programs import ENVIRONMENT, BenchFailed
from bench.report import Measurement

TESTS = 100
RUNS = 3
SESSION_SECONDS = 10
_ROOT = Path(__file__).parents[1]

SUITE = f"""
import time

import pytest
from azure.cognitiveservices.vision.customvision.training import models

from emulator.testing import images


@pytest.mark.parametrize("number", range({TESTS}))
def test_flow(custom_vision, custom_vision_trainer, custom_vision_predictor, number):
    trainer = custom_vision_trainer
    project = trainer.create_project(f"project {{number}}", classification_type="Multiclass")
    for name in ("red", "blue"):
        tag = trainer.create_tag(project.id, name)
        entries = [
            models.ImageFileCreateEntry(name=f"{{name}}{{one}}", contents=data, tag_ids=[tag.id])
            for one, data in enumerate(images.samples(name, 5, seed=number))
        ]
        batch = models.ImageFileCreateBatch(images=entries)
        assert trainer.create_images_from_files(project.id, batch).is_batch_successful
    iteration = trainer.train_project(project.id)
    while iteration.status != "Completed":
        time.sleep(0.005)
        iteration = trainer.get_iteration(project.id, iteration.id)
    trainer.publish_iteration(project.id, iteration.id, "now", custom_vision.prediction_resource_id)
    result = custom_vision_predictor.classify_image(project.id, "now", images.sample("red", 9, seed=number))
    assert result.predictions[0].tag_name == "red"
"""


def measure() -> Iterator[Measurement]:
    sessions: list[float] = []
    inner: list[float] = []
    processor: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_suite.py").write_text(SUITE, encoding="utf-8")
        for _ in range(RUNS):
            wall, reported, used = _session(Path(folder))
            sessions.append(wall)
            inner.append(reported)
            processor.append(used)
    yield Measurement(
        f"pytest session of {TESTS} tests that train, start to end",
        min(sessions),
        "s",
        at_most=SESSION_SECONDS,
        samples={"ours": sessions},
    )
    yield Measurement("the same, as pytest reports it", min(inner), "s", samples={"ours": inner})
    yield Measurement("the same, processor time", min(processor), "s", samples={"ours": processor})


def _session(folder: Path) -> tuple[float, float, float]:
    """Seconds of a session's process, of the session as pytest reports it, and of processor time."""
    environment = {
        **ENVIRONMENT,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "emulator.testing.pytest_plugin", "."]
    before = os.times()
    started = time.perf_counter()
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    taken = time.perf_counter() - started
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    found = re.search(rf"{TESTS} passed in ([\d.]+)s", ran.stdout)
    if found is None:
        raise BenchFailed(f"the session of pytest failed: {ran.stdout[-1000:]}")
    return taken, float(found[1]), used
