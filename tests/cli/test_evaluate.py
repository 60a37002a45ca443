"""The command `evaluate`: its output and its errors."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import vision
from emulator.cli import evaluate as evaluation
from emulator.cli.errors import CommandFailed
from emulator.vision import domain_training
from emulator.vision.classification.features import backbone_session
from emulator.vision.networks.weights import backbone_network
from tests.support.vision.detection_images import TINY, scene
from tests.support.vision.images import PATTERNS, drawn, encoded

PATIENCE_SECONDS = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    for pattern in PATTERNS:
        (root / pattern).mkdir()
        for number in range(6):
            (root / pattern / f"{number}.png").write_bytes(encoded(drawn(pattern, number)))
    (root / "dots" / "damaged.png").write_bytes(b"damaged")
    return root


@pytest.fixture(scope="module")
def done(folder: Path) -> evaluation.Evaluated:
    return evaluation.run(str(folder), domain="General", budget=None, test=None, seed=0)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emulator", "evaluate", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_SECONDS,
    )


def with_splits(folder: Path, root: Path) -> Path:
    lines = [
        {
            "file": str(path),
            "split": "test" if path.stem in ("4", "5") else "train",
            "tags": [path.parent.name],
        }
        for path in sorted(folder.glob("*/[0-9].png"))
    ]
    (root / "labels.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return root


def test_a_readable_table(folder: Path) -> None:
    ran = run(str(folder))
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["tag", "images", "precision", "recall", "AP"]
    assert [line.split()[:2] for line in lines[2:6]] == [
        *([tag, "6"] for tag in sorted(PATTERNS)),
        ["all", "18"],
    ]
    assert all(0 <= float(cell) <= 1 for line in lines[2:6] for cell in line.split()[2:])
    assert "judged by cross-validation" in ran.stdout
    assert "calibration error  0." in ran.stdout
    assert "trained            18 images in " in ran.stdout
    assert lines[-1] == f"not readable       {folder / 'dots' / 'damaged.png'}"


def test_json_for_programs(done: evaluation.Evaluated, folder: Path) -> None:
    report = json.loads(evaluation.as_json(done))
    assert report["folder"] == str(folder)
    assert report["judged_on"] == "cross-validation"
    assert [each["tag"] for each in report["report"]["tags"]] == sorted(PATTERNS)
    assert report["skipped"] == [str(folder / "dots" / "damaged.png")]


def test_columns_are_aligned_with_names_of_any_length(done: evaluation.Evaluated) -> None:
    long = vision.TagReport("a very long name of a tag", 12345, None, 1.0, 0.5, 0.25)
    report = vision.Report((long,), 12345, 1.0, 0.5, 0.25, None, 0.1, 0.5, None, None)
    lines = evaluation.as_table(
        evaluation.Evaluated("f", "General", 60.0, 0, "other", 1, 2.0, ("a", "b"), report)
    ).splitlines()
    assert len({len(line) for line in lines[:4]}) == 1
    assert "accuracy" not in "".join(lines)
    assert "judged on other" in lines[5]
    assert lines[-2:] == [
        "trained            1 images in 2.0 s (General, advanced, at most 60 s)",
        "not readable       a and 1 more",
    ]


def test_the_split_test_is_not_learned_from(folder: Path, tmp_path: Path) -> None:
    split = evaluation.run(
        str(with_splits(folder, tmp_path)), domain="General", budget=None, test=None, seed=0
    )
    assert (split.images, split.report.images, split.judged_on) == (12, 6, "the split test")


def test_the_model_is_evaluated_on_other_images(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "dots").mkdir()
    (tmp_path / "dots" / "x.png").write_bytes(encoded(drawn("dots", 50)))
    other = evaluation.run(str(folder), domain="General", budget=None, test=str(tmp_path), seed=0)
    assert (other.images, other.report.images, other.judged_on) == (18, 1, str(tmp_path))
    # With other test images, the data set's split "test" is not trained on either.
    root = tmp_path / "split"
    root.mkdir()
    split = evaluation.run(
        str(with_splits(folder, root)), domain="General", budget=None, test=str(tmp_path), seed=0
    )
    assert split.images == 12


def test_detectors_have_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    for number in range(6):
        picture, boxes = scene(number)
        (tmp_path / f"{number}.png").write_bytes(encoded(picture))
        sides = ("left", "top", "width", "height")
        marked = [
            {"tag": str(box.tag_index), **{side: getattr(box, side) for side in sides}} for box in boxes
        ]
        lines.append(json.dumps({"file": f"{number}.png", "boxes": marked}))
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr(domain_training, "recipe_for_domain", lambda kind, domain_id: TINY)

    table = evaluation.as_table(
        evaluation.run(str(tmp_path), domain="General", budget=None, test=None, seed=0)
    )

    assert table.splitlines()[0].split() == ["tag", "images", "objects", "precision", "recall", "AP"]
    assert "probability 0.5, overlap 0.3" in table


def test_budget_and_seed_reach_the_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def train(data: object, output: object, **given: object) -> None:
        seen.update(given)
        raise vision.TrainingFailed("on\n two  lines")

    monkeypatch.setattr(vision, "train", train, raising=False)
    with pytest.raises(CommandFailed, match=r"^on two lines$"):
        evaluation.run(str(folder), domain="Food", budget=90.0, test=None, seed=7)
    assert (seen["domain"], seen["budget"], seen["seed"]) == ("Food", 90.0, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "there is no folder"),
        (["."], "holds no set"),
        (["{folder}", "--domain", "Logo"], "there is no classification domain 'Logo'"),
        (["{folder}", "--test", "missing"], "there is no folder"),
        (["{folder}", "--advanced", "-1"], "--advanced: give a number of minutes"),
        (["{folder}", "--advanced", "nan"], "--advanced: give a number of minutes"),
        (["{folder}/dots/damaged.png"], "is not in COCO's format"),
    ],
)
def test_an_error_is_one_line(
    arguments: list[str], message: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    ran = run(*(each.format(folder=folder) for each in arguments))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("custom-vision-emulator: ")
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    backbone_network.cache_clear()
    backbone_session.cache_clear()
    with pytest.raises(CommandFailed, match="torch"):
        evaluation.run(str(folder), domain="General", budget=None, test=None, seed=0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_progress_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with evaluation.shown_progress() as progress:
            progress(0.5, "Looking")
            progress(1.0, "Done")
        assert ("Done" in stream.getvalue()) is shown


def test_without_rich_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with evaluation.shown_progress() as progress:
        progress(0.5, "Looking")
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals exist on POSIX systems only")
def test_the_bar_leaves_the_table_alone(folder: Path) -> None:
    import pty

    master, slave = pty.openpty()
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "emulator", "evaluate", str(folder)],
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
            timeout=PATIENCE_SECONDS,
        )
        drawn_bar = os.read(master, 65536).decode(errors="replace")
    finally:
        os.close(master)
        os.close(slave)
    assert ran.returncode == 0
    assert ran.stdout.startswith("tag ")
    assert "Looking at the images" in drawn_bar
