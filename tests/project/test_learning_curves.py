"""The script of the learning curves: draws, stored trainings, and the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emulator.vision.library.datasets import Dataset, Sample
from tests.support.vision.images import PATTERNS, drawn, encoded

MEASUREMENTS = Path(__file__).parents[2] / "models" / "measurements"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(MEASUREMENTS))
        import measure_learning_curves  # type: ignore[import-not-found]

        yield measure_learning_curves


def test_each_tag_has_as_many_images_as_asked_for(script: ModuleType) -> None:
    tags = [("a",), ("a", "b"), ("b",), ("c",), ("c",), ("a",), ("b", "c")]
    dataset = Dataset.of([Sample(Path(f"{place}.png"), tags=each) for place, each in enumerate(tags)])
    draws = [script.drawn(dataset, 2, seed) for seed in range(10)]
    for draw in draws:
        counts = [sum(tag in sample.tags for sample in draw.samples) for tag in dataset.tags]
        assert all(count >= 2 for count in counts)
        assert len(draw.samples) <= 6
    assert script.drawn(dataset, 2, 0).samples == draws[0].samples
    assert len({draw.samples for draw in draws}) > 1


def test_trainings_are_measured_once_and_make_up_the_page(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pattern in PATTERNS[:2]:
        (tmp_path / "sets" / "patterns" / pattern).mkdir(parents=True)
        for number in range(4):
            picture = encoded(drawn(pattern, number))
            (tmp_path / "sets" / "patterns" / pattern / f"{number}.png").write_bytes(picture)
    trained: list[tuple[int, int]] = []
    code = ["new"]

    def measured(dataset: Dataset, count: int, draw: int) -> dict[str, Any]:
        trained.append((count, draw))
        return {
            "code": code[0],
            "measured": f"2030-01-0{len(trained)}T00:00+00:00",
            "kind": "accuracy",
            "images": 2 * count,
            "tested": 2,
            "figure": 0.5 + 0.1 * draw,
            "calibration_error": 0.1,
        }

    def run(*counts: int) -> str:
        arguments = [str(tmp_path / "sets"), "--out", str(tmp_path), "--draws", "2", "--counts"]
        monkeypatch.setattr(sys, "argv", ["script", *arguments, *map(str, counts)])
        assert script.main() == 0
        return (tmp_path / "learning_curves.md").read_text()

    monkeypatch.setattr(script, "measured", measured)
    monkeypatch.setattr(script, "version", lambda *_: code[0])
    monkeypatch.setattr(script, "warm_up", lambda: None)
    run(1)
    assert trained == [(1, 0), (1, 1)]
    page = run(1, 2, 50)
    assert trained == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert "| patterns | accuracy | 2 | 4 | 2 | 2 | 0.550 ± 0.071 | 0.100 ± 0.000 |" in page.splitlines()
    assert "older code" not in page
    script_name = "python models/measurements/measure_learning_curves.py"
    assert f"{script_name} FOLDER --sets patterns --counts 1 2 --draws 2" in page.splitlines()
    assert script.command(["my tools at 32 pixels:5:0"]) == (
        f"{script_name} FOLDER --sets 'my tools at 32 pixels' --counts 5 --draws 1 --shrink 32"
    )
    code[0] = "newer"
    page = run(2)
    assert trained[4:] == [(2, 0), (2, 1)]
    assert (
        "| patterns | accuracy | 1 | 2 | 2 | 2 | 0.550 ± 0.071\\* | 0.100 ± 0.000\\* |" in page.splitlines()
    )
    assert "\\* Measured with older code of the training than others." in page.splitlines()
