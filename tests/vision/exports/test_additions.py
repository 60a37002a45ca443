"""Formats that the service does not have, and the programs that come with exports."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy
import onnx
import pytest

from tests.vision.exports.conftest import LABELS, Expected, Kind, MakeOrder
from tests.vision.exports.parity import fed, fitting_a_grid, written
from tests.vision.exports.test_onnx import loaded, runner

# Packages that sample programs need and that may be missing, by platform and flavor.
PROGRAMS = {
    ("ONNX", None): "onnxruntime",
    ("Torch", "TorchStateDict"): "torch",
    ("TensorFlow", None): "tensorflow",
    ("TensorFlow", "TensorFlowSavedModel"): "tensorflow",
}
NAME = "coffee.png"


@pytest.mark.parametrize("form", PROGRAMS, ids=str)
def test_the_program_in_the_zip_predicts_what_the_prediction_api_predicts(
    kind: Kind,
    form: tuple[str, str | None],
    make_order: MakeOrder,
    expected: Expected,
    photographs: dict[str, bytes],
    tmp_path: Path,
) -> None:
    if form[0] == "Torch" and kind.name not in ("classifier", "detector-s1"):
        return  # each starts PyTorch, and these two use all operations
    package = PROGRAMS[form]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed (pip install {package})")
    folder = written(make_order(kind, *form), tmp_path)
    (tmp_path / NAME).write_bytes(photographs[NAME])

    finished = subprocess.run(
        [sys.executable, str(folder / "python" / "predict.py"), str(tmp_path / NAME)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=600,
        env={"PYTHONIOENCODING": "utf-8", "SYSTEMROOT": ""},
    )

    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    answers = list(expected(kind).by_name[NAME])
    if kind.detection:
        # A grid has at most five boxes per cell; the program prints the more probable ones.
        answers = [box for box in (fitting_a_grid(answers, 13) if kind.yolo else answers) if box[1] >= 0.1]
        assert answers
        assert len(lines) == len(answers)
        for line, (tag, score, *box) in zip(lines, answers, strict=True):
            name, _, values = line.partition(": ")
            probability, *sides = (float(value) for value in values.replace("at ", "").split())
            assert name == LABELS[tag]
            assert probability == pytest.approx(score, abs=0.01)
            assert sides == pytest.approx(box, abs=0.01)
    else:
        printed = {name: float(value) for name, _, value in (line.rpartition(": ") for line in lines)}
        assert printed == {
            name: pytest.approx(score, abs=0.01) for name, score in zip(LABELS, answers, strict=True)
        }
        assert list(printed.values()) == sorted(printed.values(), reverse=True)


def test_every_export_explains_itself(kind: Kind, make_order: MakeOrder, tmp_path: Path) -> None:
    for platform, flavor in (("ONNX", None), ("TensorFlow", None), ("TensorFlow", "TensorFlowJs")):
        folder = written(make_order(kind, platform, flavor), tmp_path / str(flavor) / platform)
        text = (folder / "README.md").read_text(encoding="utf-8")
        assert ("ObjectDetectionModel" in text) == (kind.detection and flavor == "TensorFlowJs")
        assert ("python/predict.py" in text) == (folder / "python" / "predict.py").is_file()


def test_int8_weights_take_a_quarter_and_change_little(
    kind: Kind, make_order: MakeOrder, expected: Expected, photographs: dict[str, bytes], tmp_path: Path
) -> None:
    folder = written(make_order(kind, "ONNX", "OnnxInt8"), tmp_path)
    run, answers = runner(loaded(folder)), expected(kind)

    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert (folder / "model.onnx").stat().st_size < 4_200_000
    if not kind.detection:
        distances = [
            numpy.abs(
                numpy.ravel(next(iter(run(fed(photographs[name], folder)).values()))) - answers.by_name[name]
            ).max()
            for name in photographs
        ]
        assert numpy.mean(distances) < 0.06
        assert max(distances) > 0  # else nothing was rounded
