"""The images of the demonstration are reproducible, and none to predict is in the training set."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from emulator.vision.imaging.decode import inspect_image

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "demo_images.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("demo_images", SCRIPT)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def made(script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.setattr("sys.argv", ["demo_images.py", str(folder)])
    assert script.main() == 0
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_photographs_are_made_and_are_always_the_same(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = made(script, tmp_path / "first", monkeypatch)

    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == [
        "SOURCES.txt",
        "brick",
        "grass",
        "gravel",
        "unseen",
    ]
    photographs = {name: data for name, data in files.items() if name.endswith(".jpg")}
    assert len(photographs) == len(set(photographs.values())) == 3 * (16 + 4)
    assert all(inspect_image(data).width == 320 for data in photographs.values())
    assert made(script, tmp_path / "second", monkeypatch) == files
    assert made(script, tmp_path / "first", monkeypatch) == files  # over what is there


def test_photographs_to_predict_share_no_pixel_with_those_to_train_on(script: ModuleType) -> None:
    for tag in script.SOURCES:
        photograph = script.open_photograph(tag)
        width, height = photograph.size
        training, unseen = script.training_boxes(photograph, tag), script.unseen_boxes(photograph)
        for left, top, right, bottom in training + unseen:
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
        assert max(right for _, _, right, _ in training) <= min(left for left, _, _, _ in unseen)


def test_without_the_package_its_name_is_printed(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def missing(tag: str) -> None:
        raise ModuleNotFoundError("No module named 'skimage'")

    monkeypatch.setattr(script, "open_photograph", missing)
    monkeypatch.setattr("sys.argv", ["demo_images.py", str(tmp_path / "made")])

    assert script.main() == 1
    assert "scikit-image" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
