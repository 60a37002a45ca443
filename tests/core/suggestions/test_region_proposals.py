"""Region proposals with the real model, which the worker writes for the first request."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from emulator.core.caches import proposal_model
from emulator.vision.detection.proposals import MAX_PROPOSALS, MIN_CONFIDENCE, write_proposal_model
from emulator.vision.training.errors import TrainingFailed
from tests.support import detection
from tests.support.harness import NOWHERE, Service, expect, refusal

VERSIONS = ("v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview")


def scene() -> bytes:
    """Two objects on a plain background that the network detects with high confidence: a ball and a box."""
    image = Image.new("RGB", (320, 240), (235, 235, 230))
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 80, 120, 160), fill=(230, 120, 30))
    draw.rectangle((190, 60, 280, 180), fill=(40, 60, 90))
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def plain() -> bytes:
    file = BytesIO()
    Image.new("RGB", (320, 240), (128, 128, 128)).save(file, "PNG")
    return file.getvalue()


def ask(service: Service, project: str, image: str, **more: Any) -> Any:
    return service.send("POST", f"{project}/images/{image}/regionproposals", **more)


def proposals(service: Service, project: str, image: str, **more: Any) -> list[dict[str, Any]]:
    answer = service.post(f"{project}/images/{image}/regionproposals", **more)
    assert list(answer) == ["projectId", "imageId", "proposals"]
    assert (answer["projectId"], answer["imageId"]) == (project.rpartition("/")[2], image)
    found: list[dict[str, Any]] = answer["proposals"]
    return found


def model_file(service: Service) -> Path:
    (path,) = service.settings.data.glob("region-proposals-*.onnx")
    return path


def overlap(box: dict[str, float], left: float, top: float, width: float, height: float) -> float:
    across = min(box["left"] + box["width"], left + width) - max(box["left"], left)
    down = min(box["top"] + box["height"], top + height) - max(box["top"], top)
    shared = max(across, 0) * max(down, 0)
    return shared / (box["width"] * box["height"] + width * height - shared)


def test_things_are_found_without_any_training(service: Service) -> None:
    project = detection.detection_project(service)
    (image,) = service.images(project, [scene()])
    first = proposals(service, project, image)
    confidences = [item["confidence"] for item in first]
    assert confidences == sorted(confidences, reverse=True)
    assert 1 >= confidences[0] >= confidences[-1] >= MIN_CONFIDENCE
    assert confidences[0] > confidences[-1]
    assert len(first) <= MAX_PROPOSALS
    for thing in ((40 / 320, 80 / 240, 80 / 320, 80 / 240), (190 / 320, 60 / 240, 90 / 320, 120 / 240)):
        assert max(overlap(item["boundingBox"], *thing) for item in first) > 0.6
    for version in VERSIONS:
        assert proposals(service, project, image, version=version) == first


def test_regions_can_be_made_of_proposals_as_they_came(service: Service) -> None:
    project = detection.detection_project(service)
    tag = service.tag(project, "thing")
    (image,) = service.images(project, [scene()])
    entries = [
        {"imageId": image, "tagId": tag, **item["boundingBox"]} for item in proposals(service, project, image)
    ]
    assert len(detection.create(service, project, *entries)["created"]) == len(entries) > 0


def test_where_nothing_is_nothing_is_proposed(service: Service) -> None:
    project = service.project()  # of any type
    (image,) = service.images(project, [plain()])
    assert proposals(service, project, image) == []


def test_images_that_are_not_there(service: Service) -> None:
    project = service.project()
    (image,) = service.images(service.project("other"), [plain()])
    for unknown in (NOWHERE, image):
        assert refusal(ask(service, project, unknown)) == (
            404,
            "NotFoundImage",
            f"Image not found: {unknown}",
        )
    assert refusal(ask(service, f"/projects/{NOWHERE}", image))[:2] == (404, "NotFoundProject")
    assert ask(service, project, "seven").json()["error"]["code"] == "404"


def test_the_model_is_made_once(service: Service) -> None:
    project = service.project()
    (image,) = service.images(project, [plain()])
    proposals(service, project, image)
    made = model_file(service).stat().st_mtime_ns
    service.restart()
    service.proposal_worker.failures = [AssertionError("the worker is not needed")]
    proposals(service, project, image)
    assert model_file(service).stat().st_mtime_ns == made


def emptied(path: Path) -> None:
    path.write_bytes(b"damaged")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40  # in the weights: it still loads
    path.write_bytes(data)


def without_its_digest(path: Path) -> None:
    path.with_suffix(".sha256").unlink()


@pytest.mark.parametrize("damage", [emptied, flipped, without_its_digest])
def test_a_damaged_model_is_made_again(service: Service, damage: Callable[[Path], None]) -> None:
    project = service.project()
    (image,) = service.images(project, [scene()])
    before = proposals(service, project, image)
    content = model_file(service).read_bytes()
    damage(model_file(service))
    service.restart()
    assert proposals(service, project, image) == before
    assert model_file(service).read_bytes() == content


def test_the_response_names_a_missing_package(service: Service) -> None:
    project = service.project()
    (image,) = service.images(project, [plain()])
    service.proposal_worker.failures = [TrainingFailed("Region proposals need the package onnx.")]
    assert refusal(ask(service, project, image)) == (
        500,
        "ErrorRegionProposal",
        "Region proposals can't be made: Region proposals need the package onnx.",
    )
    assert proposals(service, project, image) == []  # installed since


def test_trainings_and_exports_do_not_delay_proposals(service: Service) -> None:
    project = service.project()
    (image,) = service.images(project, [plain()])
    # Their workers never end a job; the one of proposals is the process that the server starts.
    service.worker.held = service.exporter.held = True
    service.context.proposal_worker = service.parts.proposal_worker
    busy = {service.parts.worker, service.parts.advanced_worker, service.parts.export_worker}
    assert service.parts.proposal_worker not in busy
    assert proposals(service, project, image) == []
    assert model_file(service).exists()


def test_the_message_of_a_delay_names_no_cause(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    project = service.project()
    (image,) = service.images(project, [plain()])
    monkeypatch.setattr(proposal_model, "_MAX_WAIT_SECONDS", 0.01)
    service.proposal_worker.held = True
    assert refusal(ask(service, project, image)) == (
        500,
        "ErrorRegionProposal",
        "The model of region proposals was not written within 0.01 seconds; try again.",
    )


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "emulator.vision.networks.onnx_writer", raising=False)
    with pytest.raises(TrainingFailed, match="install the package onnx"):
        write_proposal_model(tmp_path / "model.onnx", lambda fraction, text: None)
    assert list(tmp_path.iterdir()) == []


def test_the_instant_trainer_proposes_regions_without_a_worker(service: Service) -> None:
    service.context.trainers.default = "instant"
    service.context.proposal_worker = None  # type: ignore[assignment]  # any use fails
    project = detection.detection_project(service)
    image, empty = service.images(project, [scene(), plain()])
    found = expect(ask(service, project, image))["proposals"]
    assert len(found) == 2
    confidences = [item["confidence"] for item in found]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 < confidence < 1 for confidence in confidences)
    boxes = sorted(found, key=lambda item: item["boundingBox"]["left"])
    ball, box = (item["boundingBox"] for item in boxes)
    cell = 1 / 32
    assert [ball[side] for side in ("left", "top", "width", "height")] == pytest.approx(
        [40 / 320, 80 / 240, 80 / 320, 80 / 240], abs=2 * cell
    )
    assert [box[side] for side in ("left", "top", "width", "height")] == pytest.approx(
        [190 / 320, 60 / 240, 90 / 320, 120 / 240], abs=2 * cell
    )
    assert expect(ask(service, project, empty))["proposals"] == []
