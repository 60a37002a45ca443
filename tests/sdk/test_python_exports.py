"""Exports through the official Python SDK: a trained classifier, loaded by other runtimes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from azure.cognitiveservices.vision.customvision.training.models import CustomVisionErrorException
from PIL import Image

from tests.sdk.conftest import StartEmulator
from tests.sdk.live import Emulator, wait_until_trained
from tests.support.harness import COMPACT, RESOURCE_ID, wait_until

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "tools" / "demo_images.py"
EACH = 8
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Job:
    """A trained and published iteration. unseen: photographs that it was not trained on."""

    emulator: Emulator
    trainer: Any
    project: Any
    iteration: Any
    unseen: list[bytes]


@pytest.fixture(scope="module")
def job(start_emulator: StartEmulator, tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("photographs")
    subprocess.run([sys.executable, str(PHOTOGRAPHS), str(folder)], check=True, capture_output=True)
    emulator = start_emulator()
    trainer = emulator.trainer()
    project = trainer.create_project("Exports", domain_id=COMPACT, classification_type="Multiclass")
    for name in ("brick", "grass", "gravel"):
        tag = trainer.create_tag(project.id, name)
        for file in sorted((folder / name).iterdir())[:EACH]:
            trainer.create_images_from_data(project.id, file.read_bytes(), [tag.id])
    iteration = wait_until_trained(trainer, project.id, trainer.train_project(project.id))
    assert iteration.exportable
    trainer.publish_iteration(project.id, iteration.id, "published", RESOURCE_ID)
    unseen = [file.read_bytes() for file in sorted((folder / "unseen").rglob("*.*"))]
    return Job(emulator, trainer, project, iteration, unseen)


def exported(job: Job, platform: str, flavor: str | None = None) -> Any:
    """A finished export, requested and polled as in Microsoft's samples."""
    asked = job.trainer.export_iteration(job.project.id, job.iteration.id, platform, flavor=flavor)
    assert (asked.platform, asked.status, asked.flavor, asked.download_uri) == (
        platform,
        "Exporting",
        flavor,
        None,
    )
    assert asked.newer_version_available is False

    def ended() -> Any:
        found = [
            one
            for one in job.trainer.get_exports(job.project.id, job.iteration.id)
            if (one.platform, one.flavor) == (platform, flavor)
        ]
        return found[0] if found[0].status != "Exporting" else None

    done = wait_until(ended, "the end of an export")
    assert done.status == "Done", job.emulator.log()
    return done


def fetched(uri: str) -> bytes:
    with urllib.request.urlopen(uri, timeout=30) as response:
        data: bytes = response.read()
        return data


def test_onnx_predicts_as_the_prediction_api_does(job: Job, tmp_path: Path) -> None:
    done = exported(job, "ONNX")
    with zipfile.ZipFile(io.BytesIO(fetched(done.download_uri))) as archive:
        archive.extract("model.onnx", tmp_path)
        labels = archive.read("labels.txt").decode().split()
        manifest = json.loads(archive.read("cvexport.manifest"))
    assert sorted(labels) == ["brick", "grass", "gravel"]
    assert (manifest["IterationId"], manifest["Platform"]) == (job.iteration.id, "ONNX")

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (wanted,) = session.get_inputs()
    height, width = wanted.shape[2:]
    predictor = job.emulator.predictor()
    for data in job.unseen:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        # As the metadata says: the shorter side is scaled to 256, and the centre is cropped to 224.
        side = min(image.size) * width / 256
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
        pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box))
        blue_first = np.ascontiguousarray(np.moveaxis(pixels[..., ::-1], 2, 0)[None], np.float32)
        label, loss = session.run(["classLabel", "loss"], {wanted.name: blue_first})
        response = predictor.classify_image(job.project.id, "published", data)
        probabilities = {one.tag_name: one.probability for one in response.predictions}
        assert loss[0].keys() == probabilities.keys()
        for name, probability in probabilities.items():
            assert abs(loss[0][name] - probability) <= 0.005
        assert str(np.ravel(label)[0]) == response.predictions[0].tag_name


def test_the_same_again_and_what_cannot_be_exported(job: Job) -> None:
    done = exported(job, "ONNX", "ONNX12")
    with pytest.raises(CustomVisionErrorException) as again:
        job.trainer.export_iteration(job.project.id, job.iteration.id, "ONNX", flavor="ONNX12")
    assert again.value.error.code == "BadRequestExportAlreadyInProgress"
    assert again.value.message == f"{job.iteration.id} is already queued for export"
    with pytest.raises(CustomVisionErrorException) as wrong:
        job.trainer.export_iteration(job.project.id, job.iteration.id, "CoreML", flavor="Linux")
    assert wrong.value.error.code == "BadRequestExportValidationFailed"
    with pytest.raises(urllib.error.HTTPError) as forged:
        fetched(done.download_uri.replace("sig=", "sig=x"))
    assert forged.value.code == 403
    forged.value.close()
