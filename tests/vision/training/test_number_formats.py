"""The number format of a training: measured once, stored, and never changed by noise."""

import json
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy
import pytest
import torch

from emulator.vision.training import number_formats
from emulator.vision.training.errors import LossNotFinite
from emulator.vision.training.number_formats import (
    BFLOAT16,
    FLOAT32,
    NumberFormat,
    fastest_format,
    formats_in_use,
    number_formats_from,
    number_formats_of,
    with_number_formats,
)
from emulator.vision.training.trainer import WholeNetwork, slice_threads

BOTH_FIRST = NumberFormat(bfloat16=True, channels_last=False)


class Layers:
    """Layers on a machine whose clock is moved by each run."""

    def __init__(self, seconds: dict[NumberFormat, float], noise: float = 0.0) -> None:
        self.seconds, self.noise = seconds, noise
        self.now, self.runs = 0.0, 0
        self._random = numpy.random.default_rng(0)

    def __call__(self, number_format: NumberFormat) -> None:
        self.runs += 1
        taken = self.seconds.get(number_format, 1.0)
        self.now += taken * (1 + self._random.uniform(0, self.noise))

    def chosen(self, name: str = "layers") -> NumberFormat:
        return fastest_format(name, self, clock=lambda: self.now)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_formats, "_known", {})


@pytest.mark.parametrize(
    ("bfloat16", "first", "chosen"),
    [
        (0.05, 0.2, BFLOAT16),
        (0.079, 0.2, BFLOAT16),
        (0.081, 0.2, FLOAT32),  # faster, but not clearly
        (0.21, 0.2, FLOAT32),
        (9.0, 0.2, FLOAT32),
        (0.21, 0.079, NumberFormat(channels_last=False)),
        (0.21, 0.081, FLOAT32),
    ],
)
def test_a_format_is_replaced_only_by_one_that_is_clearly_faster(
    bfloat16: float, first: float, chosen: NumberFormat
) -> None:
    times = {FLOAT32: 0.1, BFLOAT16: bfloat16, NumberFormat(channels_last=False): first}
    assert Layers(times).chosen() == chosen


def test_channels_first_are_compared_in_the_chosen_numbers() -> None:
    assert Layers({FLOAT32: 0.1, BFLOAT16: 0.05, BOTH_FIRST: 0.02}).chosen() == BOTH_FIRST


def test_noise_does_not_change_the_choice() -> None:
    for number in range(20):
        slower = Layers({FLOAT32: 0.01, BFLOAT16: 0.0095}, noise=1.0)
        faster = Layers({FLOAT32: 0.01, BFLOAT16: 0.005}, noise=1.0)
        assert slower.chosen(f"slower {number}") == FLOAT32
        assert faster.chosen(f"faster {number}") == BFLOAT16


@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.1, 0.5])
def test_the_measurement_is_short(seconds: float) -> None:
    layers = Layers(dict.fromkeys((FLOAT32, BFLOAT16, NumberFormat(channels_last=False)), seconds))
    layers.chosen()
    # Twelve runs of a slice, which is limited to fewer images when it is long.
    assert layers.now <= 0.5 + 12 * seconds


def test_a_hopeless_format_is_run_once() -> None:
    layers = Layers({FLOAT32: 0.1, BFLOAT16: 3.0, NumberFormat(channels_last=False): 3.0})
    assert layers.chosen() == FLOAT32
    assert layers.now < 8


def test_the_choice_is_made_once_for_a_process() -> None:
    layers = Layers({FLOAT32: 0.1, BFLOAT16: 0.05})
    assert layers.chosen() == BFLOAT16
    runs = layers.runs
    layers.seconds = {FLOAT32: 0.05, BFLOAT16: 0.1}
    assert layers.chosen() == BFLOAT16
    assert layers.runs == runs
    assert layers.chosen("other layers") == FLOAT32


def test_the_choice_is_stored_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "formats"
    with number_formats_from(folder):
        assert Layers({FLOAT32: 0.1, BFLOAT16: 0.05}).chosen() == BFLOAT16
    (file,) = folder.glob("*.json")
    content = json.loads(file.read_text())
    assert content["choice"] == {"bfloat16": True, "channels_last": True}
    assert content["seconds"]["float32, channels last"] == 0.1
    assert number_formats.processor_model() in content["layers"]
    assert torch.__version__ in content["layers"]
    with number_formats_from(folder):
        later = Layers({FLOAT32: 0.05, BFLOAT16: 0.1})
        assert later.chosen() == BFLOAT16
        assert later.runs == 0


def test_another_processor_measures_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with number_formats_from(tmp_path):
        Layers({FLOAT32: 0.1, BFLOAT16: 0.05}).chosen()
        monkeypatch.setattr(number_formats, "_model", ["another processor"])
        assert Layers({FLOAT32: 0.1, BFLOAT16: 0.2}).chosen() == FLOAT32


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', "\x00", '{"format": 1, "layers": 3}'])
def test_a_damaged_file_is_measured_again(tmp_path: Path, content: str) -> None:
    with number_formats_from(tmp_path):
        Layers({FLOAT32: 0.1, BFLOAT16: 0.05}).chosen()
        (file,) = tmp_path.glob("*.json")
        file.write_text(content)
        again = Layers({FLOAT32: 0.1, BFLOAT16: 0.2})
        assert again.chosen() == FLOAT32
        assert again.runs
        assert json.loads(file.read_text())["choice"]["bfloat16"] is False


def test_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with number_formats_from(tmp_path / "file"):
        assert Layers({FLOAT32: 0.1, BFLOAT16: 0.05}).chosen() == BFLOAT16
        assert Layers({FLOAT32: 0.1, BFLOAT16: 0.2}).chosen() == BFLOAT16
    assert "cannot be stored" in caplog.text


def test_a_setting_forces_the_number_type(tmp_path: Path) -> None:
    layers = Layers({FLOAT32: 0.1, BFLOAT16: 0.05})
    assert with_number_formats(tmp_path, "float32", layers.chosen) == FLOAT32
    assert with_number_formats(tmp_path, "bfloat16", layers.chosen) == BFLOAT16
    assert not layers.runs
    assert not list(tmp_path.iterdir())
    # What the server sends to its worker.
    pickle.loads(pickle.dumps(partial(with_number_formats, tmp_path, "float32", fastest_format)))


@pytest.mark.parametrize("error", [RuntimeError("not implemented for 'BFloat16'"), LossNotFinite()])
def test_a_format_that_cannot_be_used_is_not_chosen(error: Exception) -> None:
    layers = Layers({FLOAT32: 0.1})

    def run(number_format: NumberFormat) -> None:
        if number_format != FLOAT32:
            raise error
        layers(number_format)

    assert fastest_format("layers", run, clock=lambda: layers.now) == FLOAT32


def test_an_error_in_float32_is_that_of_the_training() -> None:
    def run(number_format: NumberFormat) -> None:
        raise LossNotFinite

    with pytest.raises(LossNotFinite):
        fastest_format("layers", run)


def test_a_piece_in_another_process_has_the_choices_of_its_training(tmp_path: Path) -> None:
    slow, fast = {FLOAT32: 0.1, BFLOAT16: 0.2}, {FLOAT32: 0.1, BFLOAT16: 0.05}
    with number_formats_from(tmp_path):
        Layers(fast).chosen()
        formats = formats_in_use()
    sent = pickle.loads(pickle.dumps(formats))
    with number_formats_of(sent):
        known = Layers(slow)
        assert known.chosen() == BFLOAT16
        assert known.runs == 0
        assert Layers(slow).chosen("other layers") == FLOAT32
    with number_formats_from(tmp_path, "float32"):
        assert formats_in_use().setting == "float32"


# --- in a training ------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[NumberFormat], None]]:
    """Replaces the measurement by one that chooses a format."""

    def choose(chosen: NumberFormat) -> None:
        def fastest(layers: str, run: Callable[[NumberFormat], object]) -> NumberFormat:
            for each in (FLOAT32, BFLOAT16, chosen):
                run(each)
            return chosen

        monkeypatch.setattr("emulator.vision.training.trainer.fastest_format", fastest)

    yield choose


@pytest.mark.parametrize("chosen", [FLOAT32, BFLOAT16, NumberFormat(channels_last=False)])
def test_a_training_computes_in_the_chosen_format(
    clock: Callable[[NumberFormat], None], chosen: NumberFormat
) -> None:
    clock(chosen)
    random = numpy.random.default_rng(0)
    network = WholeNetwork(
        {"a.weight": random.normal(size=(4, 3, 3, 3))},
        learning_rate=lambda name: 0.1,
        weight_decay=0.0,
        max_grad_norm=1.0,
        slice_size=4,
        layers="one convolution",
    )
    images = torch.from_numpy(random.normal(size=(8, 3, 5, 5)).astype(numpy.float32))
    seen: list[tuple[torch.dtype, bool, int]] = []

    def loss_of(
        first: int, last: int, weights: dict[str, torch.Tensor], device: torch.device
    ) -> torch.Tensor:
        output = torch.nn.functional.conv2d(images[first:last], weights["a.weight"])
        seen.append((output.dtype, weights["a.weight"].is_contiguous(), last - first))
        return output.float().square().mean()

    before = network.arrays()["a.weight"]
    with slice_threads() as pool:
        network.train_step(8, 1.0, loss_of, pool)
    *_, last = seen
    assert last == (torch.bfloat16 if chosen.bfloat16 else torch.float32, not chosen.channels_last, 4)
    # The step itself: two slices of four, each seen once after the three measured runs.
    assert len(seen) == 5
    assert not numpy.array_equal(network.arrays()["a.weight"], before)
