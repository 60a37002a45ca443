"""Training on a GPU, which the CPU plays: no waiting for it, its failure, overflows; the check of a GPU."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from emulator.vision.networks import torch_runner
from emulator.vision.training import trainer
from emulator.vision.training.errors import LossNotFinite
from emulator.vision.training.trainer import WholeNetwork, prepared_ahead, slice_threads

ROOT = Path(__file__).parents[3]
GPU = SimpleNamespace(type="mps")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU, presented as a GPU until it is given up."""
    real = trainer._parameter

    def parameter(weight: Any, device: Any, *, trainable: bool) -> torch.Tensor:
        return real(weight, torch.device("cpu"), trainable=trainable)

    lost: set[str] = set()
    monkeypatch.setattr(torch_runner, "_lost", lost)
    monkeypatch.setattr(trainer, "training_device", lambda: torch.device("cpu") if lost else GPU)
    monkeypatch.setattr(trainer, "_parameter", parameter)


def network() -> WholeNetwork:
    start = {"a.weight": numpy.random.default_rng(0).normal(size=(3, 3)), "a.bias": numpy.zeros(3)}
    return WholeNetwork(
        start, learning_rate=lambda name: 0.1, weight_decay=0.0, max_grad_norm=100.0, slice_size=4
    )


INPUTS = torch.from_numpy(numpy.random.default_rng(1).normal(size=(40, 3)).astype(numpy.float32))


def loss_of(first: int, last: int, weights: Any, device: Any) -> torch.Tensor:
    return (INPUTS[first:last] @ weights["a.weight"] + weights["a.bias"]).float().square().sum() / 40


class Reads(TorchDispatchMode):
    """Counts the values that are read from tensors, each of which would wait for a GPU."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.count += 1
        return func(*args, **(kwargs or {}))


def test_a_step_does_not_wait_for_the_gpu(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # It reads its counter of steps, which is in the memory of the processor.
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: None)
    trained = network()
    with slice_threads() as pool:
        with Reads() as reads:
            for _ in range(trainer._STEPS_PER_CHECK - 1):
                trained.train_step(40, 1.0, loss_of, pool)
        assert reads.count == 0
        with Reads() as reads:
            trained.train_step(40, 1.0, loss_of, pool)
        assert 1 <= reads.count <= 2


def test_a_loss_that_is_not_finite_is_noticed_at_the_next_check(gpu: None) -> None:
    def broken(first: int, last: int, weights: Any, device: Any) -> torch.Tensor:
        return loss_of(first, last, weights, device) * torch.nan

    trained = network()
    with slice_threads() as pool, pytest.raises(LossNotFinite):
        for _ in range(trainer._STEPS_PER_CHECK):
            trained.train_step(40, 1.0, broken, pool)


@pytest.mark.parametrize(
    "text", ["CUDA error: unspecified launch failure", "CUDA driver error: unknown error"]
)
@pytest.mark.parametrize("step", [0, 5, 40])
def test_a_gpu_that_fails_amid_a_training(
    gpu: None, caplog: pytest.LogCaptureFixture, text: str, step: int
) -> None:
    devices: list[str] = []
    trained_steps: list[int] = []

    def failing(first: int, last: int, weights: Any, device: Any) -> torch.Tensor:
        devices.append(device.type)
        if device.type != "cpu" and len(trained_steps) == step:
            raise RuntimeError(text)
        return loss_of(first, last, weights, device)

    trained = network()
    before = None
    with slice_threads() as pool:
        for number in range(50):
            trained.train_step(40, 1.0, failing, pool)
            trained_steps.append(number)
            before = before or loss_of(0, 40, trained._weights, None).item()
    assert loss_of(0, 40, trained._weights, None).item() < before
    assert devices[-1] == "cpu"
    assert "mps" in devices
    assert torch_runner._lost == {"mps"}
    (message,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert message.startswith("The GPU failed; training goes on without it")
    assert text in message


def test_other_errors_of_a_training_on_a_gpu_are_raised(gpu: None) -> None:
    def broken(*_: Any) -> torch.Tensor:
        raise RuntimeError("shapes do not fit")

    with slice_threads() as pool, pytest.raises(RuntimeError, match="shapes do not fit"):
        network().train_step(40, 1.0, broken, pool)


def test_float16_skips_steps_that_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on GPUs before Ampere, which lack bfloat16."""
    monkeypatch.setattr(trainer, "needs_scaling", lambda device: True)
    trained = network()
    start = trained.arrays()["a.weight"].copy()
    types = []

    def large(first: int, last: int, weights: Any, device: Any) -> torch.Tensor:
        outputs = INPUTS[first:last] @ weights["a.weight"]
        types.append(outputs.dtype)
        return (outputs + weights["a.bias"]).float().square().sum() * 10

    scale = trained._scaler.get_scale()
    with slice_threads() as pool:
        trained.train_step(40, 1.0, large, pool)
        numpy.testing.assert_array_equal(trained.arrays()["a.weight"], start)
        assert trained._scaler.get_scale() == scale / 2
        for _ in range(30):
            trained.train_step(40, 1.0, large, pool)
    assert torch.float16 in types
    assert abs(trained.arrays()["a.weight"]).sum() < abs(start).sum()


@pytest.mark.parametrize("device", [GPU, torch.device("cpu")])
def test_batches_keep_their_order(monkeypatch: pytest.MonkeyPatch, device: Any) -> None:
    monkeypatch.setattr(trainer, "training_device", lambda: device)
    assert list(prepared_ahead(lambda step: step * step, 50)) == [step * step for step in range(50)]
    batches = prepared_ahead(lambda step: step, 1000)
    assert next(batches) == 0
    batches.close()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_check_says_that_there_is_no_gpu() -> None:
    program = [sys.executable, str(ROOT / "tools" / "check_gpu.py")]
    ran = subprocess.run(program, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "finds no CUDA device, so nothing was checked" in ran.stderr


def test_the_check_draws_its_sets_and_compares_their_figures() -> None:
    path = ROOT / "tools" / "check_gpu.py"
    spec = importlib.util.spec_from_file_location("check_gpu", path)
    assert spec is not None
    assert spec.loader is not None
    program = sys.modules["check_gpu"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(program)
        assert program.classification(6, 0).tags == program.SHAPES
        assert [len(sample.regions) for sample in program.detection(6, 1).samples] == [1, 2, 3, 1, 2, 3]
        assert program.Row("", 2.0, 1.0, 0.9, 0.85).agrees
        assert not program.Row("", 2.0, 1.0, 0.9, 0.7).agrees
    finally:
        del sys.modules["check_gpu"]
