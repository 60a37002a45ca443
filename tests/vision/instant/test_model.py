"""The file of an instant model: damaged and foreign ones are refused."""

from pathlib import Path

import pytest

from emulator.vision.exported.load import load_any, load_classifier, load_detector
from emulator.vision.instant.feature_memory import FeatureMemory
from emulator.vision.instant.model import InstantModel
from emulator.vision.instant.train import train_instant
from emulator.vision.networks.model_file import INSTANT_MAGIC
from emulator.vision.onnx_runtime import ModelUnusable
from tests.support.vision.shapes import boxed_shapes, classified_shapes


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Model files of a classifier and of a detector."""
    folder = tmp_path_factory.mktemp("instant models")
    return {
        name: train_instant(
            make(folder, 3),
            seed=0,
            output=folder / name,
            memory=FeatureMemory(),
            progress=lambda fraction, step: None,
        ).model_path.read_bytes()
        for name, make in (("classifier", classified_shapes), ("detector", boxed_shapes))
    }


@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_a_model_is_written_as_it_was_read(files: dict[str, bytes], tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model"
    path.write_bytes(files[kind])
    assert InstantModel.read(path).content() == files[kind]


def test_the_kind_must_be_the_expected_one(files: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(files["classifier"])
    with pytest.raises(ModelUnusable, match="not a detector"):
        load_detector(path)
    path.write_bytes(files["detector"])
    with pytest.raises(ModelUnusable, match="not a classifier"):
        load_classifier(path)


@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_a_truncated_or_longer_file_is_refused(files: dict[str, bytes], tmp_path: Path, kind: str) -> None:
    path, content = tmp_path / "model", files[kind]
    header_end = content.index(b"\n", len(INSTANT_MAGIC)) + 1
    for length in (
        len(INSTANT_MAGIC),
        len(INSTANT_MAGIC) + 5,
        header_end,
        header_end + 100,
        len(content) - 1,
    ):
        path.write_bytes(content[:length])
        with pytest.raises(ModelUnusable):
            load_any(path)
    path.write_bytes(content + b"x")
    with pytest.raises(ModelUnusable, match="another length"):
        load_any(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"labels":["circle"', b'"labels":["circles"'),
        (b'"labels":', b'"label":'),
        (b'"images":9', b'"images":8'),
        (b'"images":9', b'"images":-9'),
        (b'"images":9', b'"images":9e9'),
        (b'"boxes":', b'"boxes":1'),
        (b'"half":', b'"half":-'),
        (b'"negative":null', b'"negative":3'),
        (b'"multilabel":', b'"multilabel":7,"x":'),
        (b'"labels":["circle","square","triangle"]', b'"labels":[]'),
        (b'"labels":["circle","square","triangle"]', b'"labels":[1,2,3]'),
        (b"{", b"["),
    ],
)
def test_a_tampered_header_is_refused_or_harmless(
    files: dict[str, bytes], tmp_path: Path, old: bytes, new: bytes
) -> None:
    path = tmp_path / "model"
    content = files["detector"].replace(old, new, 1)
    assert content != files["detector"]
    path.write_bytes(content)
    try:
        model = load_any(path)
    except ModelUnusable:
        return
    assert model.labels[1:] == ("square", "triangle")  # only the name of a tag was changed
