"""`pull --retrain-compact`: a copy is trained at the service, and its model is imported with the project."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from emulator.cli.errors import CommandFailed
from emulator.cli.main import app
from emulator.testing import EmulatorServer
from tests.support.harness import COMPACT
from tests.support.pulled import new_project, trained_project


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    with EmulatorServer() as started:
        monkeypatch.setenv("VISION_TRAINING_ENDPOINT", started.endpoint)
        monkeypatch.setenv("VISION_TRAINING_KEY", started.training_key)
        yield started


def iterations(server: EmulatorServer, project: str) -> list[tuple[str, str]]:
    """Names of the iterations and statuses, oldest first."""
    url = f"{server.endpoint}/customvision/v3.3/training/projects/{project}/iterations"
    with urlopen(Request(url, headers={"Training-Key": server.training_key})) as response:
        found = sorted(json.load(response), key=lambda one: str(one["created"]))
    return [(one["name"], one["status"]) for one in found]


def test_the_model_of_the_copy_becomes_an_iteration_here(
    source: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = trained_project(source)
    data = tmp_path / "data"
    arguments = ["pull", "--tps", "1000", "--archive", str(tmp_path / "archive"), "--retrain-compact"]
    app([*arguments, "--data", str(data)], standalone_mode=False)
    printed = capsys.readouterr()
    assert "  model of a copy in a compact domain: Iteration 2" in printed.out
    assert [line.strip() for line in printed.err.splitlines() if line.startswith("  ")] == [
        "copying the project",
        "training the copy, for which the service charges",
        "exporting the model",
        "deleting the copy",
    ]
    with EmulatorServer(data=data) as here:
        assert iterations(here, project) == [("Iteration 1", "Completed"), ("Iteration 2", "Completed")]
    with EmulatorServer() as running:
        port = str(urlsplit(running.endpoint).port)
        app([*arguments, "--running", "--port", port], standalone_mode=False)
        assert len(iterations(running, project)) == 2
    printed = capsys.readouterr()
    assert "Iteration 2, to be published under the old name" in printed.out
    assert "training" not in printed.err  # the archive has the model


def test_nothing_is_copied_for_a_project_that_is_here_already(
    source: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_project(source)
    arguments = ["pull", "--tps", "1000", "--data", str(tmp_path / "data")]
    app(arguments, standalone_mode=False)
    with pytest.raises(CommandFailed, match=r"no copy is trained: the project is here already.*--replace"):
        app([*arguments, "--retrain-compact"], standalone_mode=False)
    assert "copying" not in capsys.readouterr().err


def test_nothing_is_copied_of_a_project_that_cannot_be_trained(
    source: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_project(source, "empty")
    arguments = ["pull", "--tps", "1000", "--archive", str(tmp_path / "archive"), "--archive-only"]
    with pytest.raises(CommandFailed, match="not complete"):
        app([*arguments, "--retrain-compact"], standalone_mode=False)
    errors = capsys.readouterr().err
    assert "no copy is made: a training needs 2 tags with images, the project has 0" in errors
    assert "copying" not in errors


def test_a_compact_project_needs_no_copy(
    source: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_project(source, COMPACT)
    folder = str(tmp_path / "archive")
    app(
        ["pull", "--tps", "1000", "--archive", folder, "--archive-only", "--retrain-compact"],
        standalone_mode=False,
    )
    assert "no copy is trained: the domain of the project is compact" in capsys.readouterr().out
