"""The command `leave-report`, for projects that were pulled from another emulator and trained again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.cli.errors import CommandFailed
from emulator.cli.main import app
from emulator.testing import EmulatorServer
from tests.support.harness import wait_until
from tests.support.pulled import copied


def trained_again(target: EmulatorServer, project_id: str) -> None:
    with target.training_client() as client:
        iteration = client.train_project(project_id)
        wait_until(
            lambda: client.get_iteration(project_id, iteration.id).status == "Completed", "the training"
        )


@pytest.mark.parametrize("detection", [False, True], ids=["classification", "detection"])
def test_the_same_images_labels_and_trainer_give_the_same_figures(
    detection: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with EmulatorServer() as source:
        project = source.create_project({"red": 15, "blue": 15}, detection=detection, published="production")
        with copied(source, project.id, tmp_path) as target:
            trained_again(target, project.id)
            run = command(target, project.id)
            run("--theirs", "production", "--ours", "Iteration 2", "-o", str(tmp_path / "report.html"))
            run(
                "--theirs", "production", "--ours", "Iteration 2", "--json",
                "--images", "0", "-o", str(tmp_path / "report.json"),
            )  # fmt: skip
            with pytest.raises(CommandFailed, match="'Iteration 2' was not pulled from the service"):
                run("--theirs", "Iteration 2", "--ours", "production")
            with pytest.raises(
                CommandFailed, match=r"there is no iteration 'Iteration 3'; the project has: "
            ):
                run("--theirs", "Iteration 3", "--ours", "Iteration 2")
            with pytest.raises(CommandFailed, match="thresholds must lie between 0 and 1"):
                run("--theirs", "production", "--ours", "Iteration 2", "--threshold", "2")
            with pytest.raises(CommandFailed, match=r"cannot write .*: No such file or directory"):
                run("--theirs", "production", "--ours", "Iteration 2", "-o", str(tmp_path / "no" / "file"))
    found = json.loads((tmp_path / "report.json").read_text("utf-8"))
    compared = found["comparison"]
    assert compared["imageCount"] == found["heldOutImageCount"] == 6
    assert compared["difference"] == {"precision": 0, "recall": 0, "averagePrecision": 0}
    assert (found["gained"]["imageCount"], found["lost"]["imageCount"]) == (0, 0)
    # 20 thresholds, for detection at three overlaps, and the default; three figures of two tags and of all.
    assert found["check"]["figureCount"] == (58 if detection else 20) * 9
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("6 of 6 held-out images compared: ")
    assert printed[0].endswith("; 0 gained, 0 lost")
    assert printed[1] == f"{tmp_path / 'report.html'} ({len(page.encode())} bytes)"


def command(target: EmulatorServer, project: str) -> Callable[..., None]:
    port = target.endpoint.rpartition(":")[2]

    def run(*arguments: str) -> None:
        key = ("--training-key", target.training_key)
        given = ["leave-report", "--port", port, *key, "--project", project, *arguments]
        app(given, standalone_mode=False)

    return run
