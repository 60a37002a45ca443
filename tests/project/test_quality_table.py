"""The script of the quality table: data sets, cached cells, and the page."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.vision.detection_images import scene
from tests.support.vision.images import PATTERNS, drawn, encoded

MEASUREMENTS = Path(__file__).parents[2] / "models" / "measurements"
PATIENCE_SECONDS = 900


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(MEASUREMENTS))
        import measure_all  # type: ignore[import-not-found]

        yield measure_all


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of folders, one with boxes and splits, one with a file of regions, and an unrelated one."""
    root = tmp_path_factory.mktemp("sets")
    for name in ("patterns", "mixed"):
        for pattern in PATTERNS[:2]:
            (root / name / pattern).mkdir(parents=True)
            for number in range(6):
                (root / name / pattern / f"{number}.png").write_bytes(encoded(drawn(pattern, number)))
    (root / "mixed" / "fork").mkdir()
    (root / "mixed" / "Test").mkdir()
    (root / "mixed" / "Test" / "1.png").write_bytes(encoded(drawn("dots", 1)))
    regions = {}
    for number in range(4):
        (root / "mixed" / "fork" / f"{number}.png").write_bytes(encoded(scene(number)[0]))
        regions[f"{number}.png"] = {"tag": "fork", "box": [0.1, 0.2, 0.3, 0.4]}
    (root / "mixed" / "regions.json").write_text(json.dumps({"regions": regions}))
    (root / "boxes").mkdir()
    lines = []
    for number in range(6):
        picture, boxes = scene(number)
        (root / "boxes" / f"{number}.png").write_bytes(encoded(picture))
        marked = [
            {
                "tag": str(box.tag_index),
                **{side: getattr(box, side) for side in ("left", "top", "width", "height")},
            }
            for box in boxes
        ]
        split = "test" if number > 3 else "train"
        lines.append(json.dumps({"file": f"{number}.png", "split": split, "boxes": marked}))
    (root / "boxes" / "labels.jsonl").write_text("\n".join(lines))
    (root / "nothing").mkdir()
    (root / "divided").mkdir()
    lines = [
        {"file": f"../patterns/{tag}/{number}.png", "split": "test" if number > 3 else "train", "tags": [tag]}
        for tag in PATTERNS[:2]
        for number in range(6)
    ]
    (root / "divided" / "labels.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return root


def test_every_set_is_found_in_every_way_that_it_can_be_used(script: ModuleType, folder: Path) -> None:
    sets = {name: read() for name, read in script.sets_in(folder, 32)}

    assert sorted(sets) == [
        "boxes",
        "boxes by presence",
        "divided",
        "divided at 32 pixels",
        "mixed classification",
        "mixed detection",
        "patterns",
        "patterns at 32 pixels",
    ]
    assert sets["boxes"].detection
    assert sets["boxes by presence"].multilabel
    assert sets["mixed classification"].tags == tuple(sorted(PATTERNS[:2]))
    assert sets["mixed detection"].tags == ("fork",)
    assert isinstance(sets["patterns at 32 pixels"].samples[0].image, bytes)


def test_a_set_without_parts_is_tested_as_a_whole(script: ModuleType, folder: Path) -> None:
    sets = {name: read() for name, read in script.sets_in(folder, None)}

    (own,) = script.divisions(sets["boxes"])
    assert (len(own.learned.samples), len(own.tested.samples)) == (4, 2)
    ways = script.divisions(sets["patterns"])
    assert len(ways) == 4
    tested = [sample.name for way in ways for sample in way.tested.samples]
    assert sorted(tested) == sorted(sample.name for sample in sets["patterns"].samples)
    for way in ways:
        assert {s.name for s in way.tested.samples}.isdisjoint(s.name for s in way.learned.samples)


@pytest.mark.slow
def test_cells_are_measured_once_and_make_up_the_page(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "quality.md"

    def run() -> str:
        command = [sys.executable, str(MEASUREMENTS / "measure_all.py"), str(folder), "--out", str(page)]
        command += ["--sets", "divided", "--quick-only", "--seeds", "0", "1"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        assert ran.returncode == 0, ran.stderr
        return ran.stderr

    first, again = run(), run()

    assert first.count("  divided, quick: ") == 2
    assert "divided, quick" not in again
    kept = json.loads(page.with_suffix(".json").read_text())
    assert set(kept) == {
        "divided:head-to-head:0",
        "divided:logistic-regression:0",
        "divided:quick:0",
        "divided:quick:1",
    }
    both = kept.pop("divided:head-to-head:0")
    assert both["own"] - both["other"] == pytest.approx(both["difference"])
    assert both["error"] >= 0
    assert all(0 <= one["figure"] <= 1 and one["processor_seconds"] > 0 for one in kept.values())
    assert "| divided | 2 | 8 | 4 | accuracy | " in page.read_text()
    assert f"| divided | accuracy | {both['own']:.3f} | {both['other']:.3f} | " in page.read_text()


def test_the_reference_recipe_learns_and_keeps_to_its_time(script: ModuleType, folder: Path) -> None:
    (part,) = script.divisions(dict(script.sets_in(folder, None))["divided"]())
    ticks = iter(range(10**6))

    measured = script.fine_tuning(part, "fine-tuning", 0, 0.5, folder, clock=lambda: float(next(ticks)))

    # Each reading of the clock advances it by a second; it is read once for each step.
    budget = script.budget_of(part, 0.5)
    assert measured.note == f"{int(budget)} epochs"
    assert 0 <= measured.figure <= 1
    assert measured.own is None


def cell(method: str, figure: float, **more: object) -> dict[str, object]:
    return {
        "detection": False,
        "kind": "accuracy",
        "tags": 2,
        "images": 10,
        "tested": 20,
        "figure": figure,
        "own": None if method == "fine-tuning" else 0.8,
        "calibration_error": 0.01,
        "seconds": 1.0,
        "processor_seconds": 2.0,
        "note": "6 epochs" if method == "fine-tuning" else "quick",
        "budget_scale": 1.0,
        "machine": "x",
        "code": None if method == "fine-tuning" else "c0de",
        "measured": "2030-01-01T00:00+00:00",
        **more,
    }


def test_figures_of_several_seeds_and_of_older_code_are_marked(script: ModuleType) -> None:
    older = {"code": "01d", "measured": "2029-01-01T00:00+00:00"}
    page = script.rendered(
        {
            "a:quick:0": cell("quick", 0.9),
            "a:quick:1": cell("quick", 0.8),
            # Of older code than the other seeds of the set: left out of the mean.
            "a:quick:2": cell("quick", 0.1, **older),
            "a:logistic-regression:0": cell("fine-tuning", 0.7, perfect=0.02),
            "b:quick:0": cell("quick", 0.6, **older),
            "b:advanced:0": cell("advanced", 0.8, code="", measured=""),
        }
    )
    rows = page.splitlines()
    assert "| a | 2 | 10 | 20 | accuracy | 0.700 | 0.850 ± 0.071 | - | - | - | 0.800 / - |" in rows
    figures = "0.600\\* | - | 0.800\\* | 50%\\* | 0.800\\* / 0.800\\*"
    assert f"| b | 2 | 10 | 20 | accuracy | - | {figures} |" in rows
    assert "| a | 0.010 (0.020) | 0.010 ± 0.000 | - | - |" in rows
    assert "Figures with ± are mean and standard deviation of 2 seeds; others, of one." in rows
    assert "\\* Measured with older code than others of the column, or before it was recorded." in rows


def test_the_version_of_the_code_is_that_of_what_a_training_imports(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import training_code  # type: ignore[import-not-found]

    assert training_code.version(False, "logistic-regression") is None
    (tmp_path / "models").mkdir()
    domains = tmp_path / "models" / "domains.toml"
    domains.write_text("one")
    package = tmp_path / "emulator" / "vision"
    (package / "classification").mkdir(parents=True)
    training, part = package / "classification" / "train.py", package / "part.py"
    training.write_text("import sys\nfrom emulator.vision import part\nfrom emulator.store import tables\n")
    part.write_text('"""Something."""\nx = 1\n')
    (package / "other.py").write_text("x = 1\n")
    monkeypatch.setattr(training_code, "ROOT", tmp_path)
    monkeypatch.setattr(training_code, "DOMAINS", domains)
    before = training_code.version(False, "quick")

    part.write_text('"""Something else."""\nx = 1  # one\n')
    (package / "other.py").write_text("x = 2\n")
    assert training_code.version(False, "quick") == before

    part.write_text("x = 2\n")
    changed = training_code.version(False, "quick")
    assert changed != before
    domains.write_text("two")
    assert training_code.version(False, "quick") != changed


def test_mistakes_that_are_gone_are_counted(script: ModuleType) -> None:
    figures = {"quick": 0.9, "advanced": 0.95, "fine-tuning": 0.7}
    page = script.rendered(
        {f"a: b:{method}:0": cell(method, figure) for method, figure in figures.items()}
        | {"c:quick:0": cell("quick", 1.0), "c:advanced:0": cell("advanced", 1.0)}
    )

    row = "| a: b | 2 | 10 | 20 | accuracy | - | 0.900 | 0.700 | 0.950 | 50% | 0.800 / 0.800 |"
    assert row in page.splitlines()
    assert "| c | 2 | 10 | 20 | accuracy | - | 1.000 | - | 1.000 | - | 0.800 / 0.800 |" in page.splitlines()
    assert "50% on average over the sets where quick training makes any" in page
    assert "| a: b | - | 1.0 / 2.0 | 1.0 / 2.0 (6 epochs) | 1.0 / 2.0 | quick |" in page.splitlines()
    assert "Another budget than usual" not in page
    assert "Object detection" not in page


def test_an_unknown_cell_is_named(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(MEASUREMENTS / "measure_all.py"), str(folder)]
    command += ["--out", str(tmp_path / "x.md"), "--only", "boxes:fine-tuning"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "there is no cell 'boxes:fine-tuning'; sets: boxes, boxes by presence, divided" in ran.stderr
    assert not (tmp_path / "x.md").exists()
