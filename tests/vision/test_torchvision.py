"""torchvision is imported in one place, which makes it usable beside any build of PyTorch."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

from emulator.vision import _torchvision
from tests.support.vision.backbones import needs_torchvision

ROOT = Path(__file__).resolve().parents[2]


def modules_named(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    # import_module("torchvision..."), find_spec(...) and the like
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        return [
            each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
    return []


def test_nothing_else_imports_torchvision() -> None:
    importing = [
        str(path.relative_to(ROOT))
        for folder in ("emulator", "models", "bench", "tools")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if any(name == "torchvision" or name.startswith("torchvision.") for name in modules_named(node))
    ]
    places = {"emulator/vision/_torchvision.py", "tools/install_torch.py"}
    assert {Path(name).as_posix() for name in importing} <= places


@needs_torchvision
def test_networks_and_transforms_are_there() -> None:
    torchvision = _torchvision.load()
    assert "resnet18" in torchvision.models.list_models(module=torchvision.models)
    assert _torchvision.load() is torchvision


@needs_torchvision
def test_a_build_that_fits_is_left_alone() -> None:
    """For a matching build the first import succeeds, and no operators are declared."""
    code = """
import importlib, json, types
real, stand_in = importlib.import_module, types.ModuleType("torchvision")
importlib.import_module = lambda name: stand_in if name == "torchvision" else real(name)
from emulator.vision import _torchvision
print(json.dumps([_torchvision.load() is stand_in, len(_torchvision._libraries)]))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert json.loads(ran.stdout) == [True, 0], ran.stderr


def test_without_torchvision_it_is_an_import_error() -> None:
    code = """
import sys
sys.modules["torchvision"] = None
from emulator.vision import _torchvision
try:
    _torchvision.load()
except ImportError as error:
    print("torchvision" in str(error))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout == "True\n", ran.stderr


@needs_torchvision
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_boxes_that_overlap_a_better_one_go(threshold: float) -> None:
    """Our implementation and `torchvision.ops.nms` against a plain definition."""
    random = numpy.random.default_rng(3)
    corners = random.uniform(0, 60, (40, 2))
    boxes = numpy.concatenate([corners, corners + random.uniform(1, 40, (40, 2))], axis=1).astype("float32")
    scores = random.permutation(40).astype("float32")

    kept: list[int] = []
    for number in numpy.argsort(-scores).tolist():
        if all(overlap(boxes[number], boxes[better]) <= threshold for better in kept):
            kept.append(number)

    arguments = (torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
    assert _torchvision.nms(*arguments).tolist() == kept
    assert _torchvision.load().ops.nms(*arguments).tolist() == kept


def overlap(one: numpy.ndarray, other: numpy.ndarray) -> float:
    sides = numpy.minimum(one[2:], other[2:]) - numpy.maximum(one[:2], other[:2])
    shared = float(sides.clip(0).prod())
    area = float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod())
    return shared / (area - shared)
