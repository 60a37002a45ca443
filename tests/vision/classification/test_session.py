from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest

from emulator.vision.classification.dataset import TrainedClassifier
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import ModelUnusable
from tests.support.vision.images import PATTERNS, drawn, encoded


def test_probabilities_are_single_precision_numbers(trained: TrainedClassifier) -> None:
    scores = ClassifierSession(trained.model_path).score(encoded(drawn("dots", 1)))

    assert all(type(score) is float for score in scores)
    assert [float(numpy.float32(score)) for score in scores] == scores


@pytest.mark.parametrize("threads", [1, 2])
def test_many_threads_get_the_scores_of_one(trained: TrainedClassifier, threads: int) -> None:
    session = ClassifierSession(trained.model_path, threads)
    pictures = [encoded(drawn(pattern, number)) for pattern in PATTERNS for number in range(8)]
    expected = [session.score(picture) for picture in pictures]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(session.score, pictures)) == expected


def test_images_are_scored_in_batches_as_alone(trained: TrainedClassifier) -> None:
    from emulator.vision.imaging.decode import resize_to_square

    session = ClassifierSession(trained.model_path)
    pictures = [encoded(drawn(pattern, 50)) for pattern in PATTERNS]

    together = session.score_pixels(numpy.stack([resize_to_square(picture, 224) for picture in pictures]))

    numpy.testing.assert_allclose(together, [session.score(picture) for picture in pictures], atol=1e-5)


def test_bytes_that_are_not_an_image_are_rejected(trained: TrainedClassifier) -> None:
    session = ClassifierSession(trained.model_path)

    with pytest.raises(ImageRejected):
        session.score(b"not a picture")
    with pytest.raises(ImageRejected):
        session.score(encoded(drawn("dots", 1), "JPEG")[:-200])


def test_the_file_may_go_once_it_is_loaded(trained: TrainedClassifier, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(trained.model_path.read_bytes())
    session = ClassifierSession(path)

    path.unlink()

    assert len(session.score(encoded(drawn("dots", 1)))) == 3


@pytest.mark.parametrize("content", [b"", b"not onnx", b"\x08\x08" * 50])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelUnusable, match=r"model\.onnx"):
        ClassifierSession(path)


def test_a_model_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_bytes(backbone_network("efficientnet-lite0", 224), {"other": "1"}))

    with pytest.raises(ModelUnusable, match=r"emulator\.labels"):
        ClassifierSession(path)


def test_a_file_that_is_not_there_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ClassifierSession(tmp_path / "model.onnx")
