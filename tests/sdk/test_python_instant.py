"""The official Python SDK with the instant trainer, where the packages of training are not installed."""

from __future__ import annotations

import io
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException,
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    Region,
)

from emulator.vision.exported.model import ExportedClassifier, load_export
from tests.sdk.live import Emulator, wait_until_trained
from tests.support.harness import COMPACT, RESOURCE_ID, wait_until
from tests.support.vision.shapes import SHAPES, shape_image

EACH = 15


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator without the packages of training, with the instant trainer."""
    server = Emulator(
        tmp_path_factory.mktemp("light"), "--trainer", "instant", program="tests.support.light_server"
    )
    yield server
    server.kill()
    assert "Traceback" not in server.log(), server.log()


def child_processes(emulator: Emulator) -> int:
    tasks = Path(f"/proc/{emulator.process.pid}/task")
    if not tasks.exists():
        pytest.skip("processes are counted in /proc, which only Linux has")
    return sum(len(children.read_text().split()) for children in tasks.glob("*/children"))


def trained(trainer: Any, project: Any, *, regions: bool = False, **more: Any) -> Any:
    """A completed iteration of a project with images of shapes."""
    for shape in SHAPES:
        tag = trainer.create_tag(project.id, shape)
        entries = []
        for number in range(EACH):
            data, (left, top, width, height) = shape_image(shape, number)
            marked = [Region(tag_id=tag.id, left=left, top=top, width=width, height=height)]
            entries.append(
                ImageFileCreateEntry(
                    name=f"{shape} {number}",
                    contents=data,
                    tag_ids=[tag.id],
                    regions=marked if regions else None,
                )
            )
        assert trainer.create_images_from_files(
            project.id, ImageFileCreateBatch(images=entries)
        ).is_batch_successful
    return wait_until_trained(trainer, project.id, trainer.train_project(project.id, **more))


def test_a_classifier_from_upload_to_export(light: Emulator, tmp_path: Path) -> None:
    trainer, predictor = light.trainer(), light.predictor()
    project = trainer.create_project("Shapes", domain_id=COMPACT, classification_type="Multiclass")
    iteration = trained(trainer, project)
    assert iteration.exportable
    trainer.publish_iteration(project.id, iteration.id, "shapes", RESOURCE_ID)
    right = 0
    for shape in SHAPES:
        seen = predictor.classify_image(project.id, "shapes", shape_image(shape, 4)[0]).predictions
        assert seen[0].tag_name == shape
        assert seen[0].probability > 0.95
        assert sum(prediction.probability for prediction in seen) == pytest.approx(1, abs=1e-5)
        for number in range(1000, 1010):
            unseen = predictor.classify_image(project.id, "shapes", shape_image(shape, number)[0])
            right += unseen.predictions[0].tag_name == shape
    assert right >= 24  # of 30
    performance = trainer.get_iteration_performance(project.id, iteration.id, threshold=0.5)
    assert performance.precision > 0.8
    assert performance.recall > 0.8
    assert {tag.name for tag in performance.per_tag_performance} == set(SHAPES)
    assert trainer.get_image_performances(project.id, iteration.id)
    (extra,) = trainer.create_images_from_data(project.id, shape_image("circle", 2000)[0]).images
    suggested = trainer.suggest_tags_and_regions(project.id, iteration.id, image_ids=[extra.image.id])
    assert suggested[0].predictions[0].tag_name == "circle"
    tested = trainer.quick_test_image(project.id, shape_image("square", 1)[0], iteration_id=iteration.id)
    assert tested.predictions[0].tag_name == "square"
    assert child_processes(light) == 0

    trainer.export_iteration(project.id, iteration.id, "ONNX")
    (export,) = wait_until(
        lambda: [
            each for each in trainer.get_exports(project.id, iteration.id) if each.status != "Exporting"
        ],
        "the export",
    )
    assert export.status == "Done"
    with urllib.request.urlopen(export.download_uri) as response:
        content = response.read()
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    session = load_export(content)
    assert isinstance(session, ExportedClassifier)
    assert session.labels == tuple(sorted(SHAPES))
    assert session.score(shape_image("triangle", 3)[0])[2] > 0.8

    trainer.unpublish_iteration(project.id, iteration.id)
    trainer.delete_iteration(project.id, iteration.id)
    assert trainer.get_iterations(project.id) == []


def test_a_detector_with_a_budget(light: Emulator) -> None:
    trainer, predictor = light.trainer(), light.predictor()
    general = next(
        domain
        for domain in trainer.get_domains()
        if (domain.type, domain.name) == ("ObjectDetection", "General")
    )
    project = trainer.create_project("Boxes", domain_id=general.id)
    iteration = trained(trainer, project, regions=True, training_type="Advanced", reserved_budget_in_hours=1)
    assert iteration.training_type == "Advanced"
    trainer.publish_iteration(project.id, iteration.id, "boxes", RESOURCE_ID)
    data, (left, top, width, height) = shape_image("square", 7)
    first = predictor.detect_image(project.id, "boxes", data).predictions[0]
    assert (first.tag_name, first.probability > 0.95) == ("square", True)
    box = first.bounding_box
    assert [box.left, box.top, box.width, box.height] == pytest.approx([left, top, width, height], abs=1e-5)
    assert (
        trainer.get_iteration_performance(project.id, iteration.id, overlap_threshold=0.3).average_precision
        > 0.3
    )


def test_the_real_trainer_says_what_is_missing(light: Emulator) -> None:
    trainer = light.trainer()
    project = trainer.create_project("Real", classification_type="Multiclass")
    path = f"/_emulator/projects/{project.id}/trainer"
    url = f"{light.endpoint}{path}"
    chosen = light.client.put(url, json={"trainer": "real"}).json()
    assert chosen == {"trainer": "real", "isDefault": False, "instantIterations": []}
    with pytest.raises(CustomVisionErrorException, match="torch"):
        trained(trainer, project)
    assert light.client.delete(url).status_code == 204
    iteration = trainer.train_project(project.id)
    assert wait_until_trained(trainer, project.id, iteration).status == "Completed"
