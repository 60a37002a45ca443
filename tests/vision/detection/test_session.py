"""Detectors in the server: their results, and the files that are rejected."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulator.vision.boxes.geometry import MAX_DETECTIONS, SCORE_FLOOR
from emulator.vision.classification.dataset import TrainedClassifier
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.tiles import Tiling
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.networks.model_file import TASK, ModelMetadata
from emulator.vision.networks.nanodet import detection_network, published_weights
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import ModelUnusable
from tests.support.vision.images import drawn, encoded, photograph

SIDE = 64
LABELS = tuple(f"tag {number}" for number in range(80))


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published network with its 80 tags: many detections in every image, most of low probability."""
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    metadata = ModelMetadata(labels=LABELS, resolution=SIDE).to_properties()
    path.write_bytes(onnx_bytes(detection_network(published_weights(), SIDE), metadata))
    return path


def test_boxes_are_inside_and_in_order(model_path: Path) -> None:
    found = DetectorSession(model_path).score(encoded(photograph()))

    assert 2 <= len(found) <= MAX_DETECTIONS
    assert [box.probability for box in found] == sorted((box.probability for box in found), reverse=True)
    for box in found:
        assert SCORE_FLOOR <= box.probability <= 1
        assert 0 <= box.tag_index < 80
        assert box.left >= 0
        assert box.top >= 0
        assert box.width > 0
        assert box.height > 0
        assert box.left + box.width <= 1 + 1e-6
        assert box.top + box.height <= 1 + 1e-6
        assert all(type(value) is float for value in (box.probability, box.left, box.width))


@pytest.mark.parametrize("threads", [1, 2])
def test_many_threads_get_the_boxes_of_one(model_path: Path, threads: int) -> None:
    session = DetectorSession(model_path, threads)
    pictures = [encoded(photograph(seed=seed)) for seed in range(6)]
    expected = [session.score(picture) for picture in pictures]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(session.score, pictures)) == expected


def test_labels_and_content_instead_of_a_file(model_path: Path) -> None:
    session = DetectorSession(model_path.read_bytes())

    assert (session.labels[3], len(session.labels), session.resolution) == ("tag 3", 80, SIDE)


def test_bytes_that_are_not_an_image_are_rejected(model_path: Path) -> None:
    with pytest.raises(ImageRejected):
        DetectorSession(model_path).score(b"not a picture")


@pytest.mark.parametrize("content", [b"", b"not onnx", b"\x08\x08" * 50])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelUnusable, match="not a detector"):
        DetectorSession(path)


def test_classifiers_and_detectors_are_distinguished(trained: TrainedClassifier, model_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"emulator\.task"):
        DetectorSession(trained.model_path)
    with pytest.raises(ModelUnusable, match="not a classifier"):
        ClassifierSession(model_path)


def test_a_model_with_another_task_is_refused() -> None:
    other = onnx_bytes(backbone_network("efficientnet-lite0", 224), {TASK: "dreaming"})

    with pytest.raises(ModelUnusable, match="another task"):
        DetectorSession(other)


def in_tiles(tiling: str) -> bytes:
    metadata = ModelMetadata(labels=LABELS, resolution=SIDE, tiling=tiling).to_properties()
    return onnx_bytes(detection_network(published_weights(), SIDE), metadata)


def test_tiled_images_get_the_same_boxes_on_any_number_of_threads() -> None:
    session = DetectorSession(in_tiles(Tiling(160, 16, whole=True).to_json()))
    pictures = [
        encoded(photograph(size, seed)) for seed, size in enumerate([(400, 300), (90, 700), (64, 64)])
    ]
    expected = [session.score(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(session.score, pictures * 2)) == expected * 2
    for found in expected:
        assert [box.probability for box in found] == sorted((box.probability for box in found), reverse=True)
        for box in found:
            assert 0 <= box.left < box.left + box.width <= 1 + 1e-6
            assert 0 <= box.top < box.top + box.height <= 1 + 1e-6
    with pytest.raises(ImageRejected):
        session.score(b"not a picture")


def test_an_invalid_tiling_is_rejected() -> None:
    for tiling in ("", "{}", '{"side": 1e6, "overlap": 16, "whole": true}'):
        with pytest.raises(ModelUnusable, match=r"tiling|tiles|Expecting"):
            DetectorSession(in_tiles(tiling))


def test_scoring_needs_neither_torch_nor_onnx(model_path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(encoded(drawn("dots", 1)))
    code = """
import sys
from pathlib import Path
sys.modules["torch"] = sys.modules["onnx"] = None
from emulator.vision.detection.session import DetectorSession
from emulator.vision.boxes.box import BoxArrays
from emulator.vision.evaluation.detection import DetectionEvaluation
model, picture = map(Path, sys.argv[1:])
print(len(DetectorSession(model).score(picture.read_bytes())) >= 0)
"""
    finished = subprocess.run(
        [sys.executable, "-c", code, str(model_path), str(picture)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert (finished.stdout, finished.stderr) == ("True\n", "")
