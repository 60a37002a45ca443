"""Training of all weights of a network with too little memory, of the CPU or of a GPU."""

from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch

from emulator.vision.training import trainer
from emulator.vision.training.trainer import WholeNetwork, slice_threads

GPU = SimpleNamespace(type="mps")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU, presented as a GPU."""
    real = trainer._parameter

    def parameter(weight: Any, device: Any, *, trainable: bool) -> torch.Tensor:
        return real(weight, torch.device("cpu"), trainable=trainable)

    monkeypatch.setattr(trainer, "training_device", lambda: GPU)
    monkeypatch.setattr(trainer, "_parameter", parameter)


def network() -> WholeNetwork:
    random = numpy.random.default_rng(0)
    start = {"a.weight": random.normal(size=(3, 3)), "a.bias": numpy.zeros(3)}
    return WholeNetwork(
        start, learning_rate=lambda name: 0.1, weight_decay=0.0, max_grad_norm=100.0, slice_size=4
    )


class Loss:
    """The loss of a linear layer on 40 inputs, on a device with memory for a limited number of them."""

    def __init__(self, fits: int, error: Exception | None = None) -> None:
        random = numpy.random.default_rng(1)
        self._inputs = torch.from_numpy(random.normal(size=(40, 3)).astype(numpy.float32))
        self._fits = fits
        self._error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.tried: list[tuple[str, int]] = []

    def __call__(self, first: int, last: int, weights: Any, device: Any) -> torch.Tensor:
        self.tried.append((device.type, last - first))
        if device.type != "cpu" and last - first > self._fits:
            raise self._error
        outputs = self._inputs[first:last] @ weights["a.weight"].float() + weights["a.bias"]
        return outputs.float().square().sum() / 40


def learned(loss: Loss, steps: int = 3) -> dict[str, numpy.ndarray]:
    trained = network()
    with slice_threads() as pool:
        for _ in range(steps):
            trained.train_step(40, 1.0, loss, pool)
    return trained.arrays()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_a_gpu_with_too_little_memory_for_one_picture(gpu: None, error: Exception) -> None:
    loss = Loss(0, error)
    on_gpu = learned(loss)
    assert [size for device, size in loss.tried if device == "mps"] == [32, 16, 8, 4, 2, 1]
    assert {device for device, _ in loss.tried[6:]} == {"cpu"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "training_device", lambda: torch.device("cpu"))
        alone = learned(Loss(0))
    for name, weight in alone.items():
        numpy.testing.assert_array_equal(on_gpu[name], weight)


def test_a_gpu_with_memory_for_a_few_pictures_goes_on_with_those(gpu: None) -> None:
    loss = Loss(8)
    learned(loss)
    assert {device for device, _ in loss.tried} == {"mps"}
    assert [size for _, size in loss.tried[:3]] == [32, 16, 8]
    assert {size for _, size in loss.tried[3:]} == {8}


def test_a_gpu_without_room_for_what_the_optimiser_remembers(
    gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = torch.optim.AdamW.step
    steps = []

    def step(self: torch.optim.AdamW, *_: Any) -> None:
        steps.append(self)
        if len(steps) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        real(self)

    loss = Loss(40)
    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    learned(loss, steps=2)
    assert len(steps) == 3
    assert [device for device, _ in loss.tried[:2]] == ["mps"] * 2
    assert {device for device, _ in loss.tried[2:]} == {"cpu"}


def test_a_gpu_that_cannot_be_used_at_all(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real = trainer._parameter

    def parameter(weight: Any, device: Any, *, trainable: bool) -> torch.Tensor:
        if device is GPU:
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
        return real(weight, device, trainable=trainable)

    monkeypatch.setattr(trainer, "_parameter", parameter)
    loss = Loss(0)
    learned(loss, steps=1)
    assert {device for device, _ in loss.tried} == {"cpu"}


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            MemoryError,
        ),
        (MemoryError(), MemoryError),
        (RuntimeError("shapes do not fit"), RuntimeError),
    ],
)
def test_a_machine_with_too_little_memory(error: Exception, raised: type[Exception]) -> None:
    def loss(*_: Any) -> torch.Tensor:
        raise error

    with slice_threads() as pool, pytest.raises(raised):
        network().train_step(40, 1.0, loss, pool)
