"""`pull` of a resource with several projects: one that cannot be inserted does not end the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.cli.errors import CommandFailed
from emulator.cli.main import app
from emulator.testing import EmulatorServer
from tests.support.pulled import new_project


@pytest.fixture
def projects(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Ids by name of the projects of a resource, to which the environment refers."""
    with EmulatorServer() as started:
        monkeypatch.setenv("VISION_TRAINING_ENDPOINT", started.endpoint)
        monkeypatch.setenv("VISION_TRAINING_KEY", started.training_key)
        yield {name: new_project(started, name) for name in ("one", "two", "three")}


def arguments_for(folder: Path) -> list[str]:
    return ["pull", "--tps", "1000", "--data", str(folder / "data"), "--archive", str(folder / "archive")]


def test_projects_that_are_here_are_named_and_the_others_inserted(
    projects: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = arguments_for(tmp_path)
    app([*arguments, "--project", "one"], standalone_mode=False)
    capsys.readouterr()
    app(arguments, standalone_mode=False)
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "3 projects: inserted 2, already here 1, not inserted 0"
    assert printed.out.count("already here: not changed") == 1
    assert printed.err == ""
    app(arguments, standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1].startswith("3 projects: inserted 0, already here 3")


def test_a_project_that_cannot_be_pulled_is_named_and_the_others_are_inserted(
    projects: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "archive" / projects["two"]
    damaged.mkdir(parents=True)
    (damaged / "journal.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(CommandFailed, match="1 project with an error, see above"):
        app(arguments_for(tmp_path), standalone_mode=False)
    printed = capsys.readouterr()
    assert printed.err.startswith(f"  {projects['two']}: ")
    assert printed.out.splitlines()[-1] == "3 projects: inserted 2, already here 0, not inserted 1"


def test_a_project_that_is_asked_for_and_is_here_is_an_error(
    projects: dict[str, str], tmp_path: Path
) -> None:
    arguments = [*arguments_for(tmp_path), "--project", "one"]
    app(arguments, standalone_mode=False)
    with pytest.raises(CommandFailed, match="there is a project with the id"):
        app(arguments, standalone_mode=False)


def test_a_database_that_cannot_be_used_is_refused_before_the_pull(
    projects: dict[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "emulator.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(CommandFailed, match=r"^not inserted: "):
        app(arguments_for(tmp_path), standalone_mode=False)
    assert not (tmp_path / "archive").exists()


def test_a_copy_that_another_archive_has_left_is_named_and_not_pulled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with EmulatorServer() as started:
        monkeypatch.setenv("VISION_TRAINING_ENDPOINT", started.endpoint)
        monkeypatch.setenv("VISION_TRAINING_KEY", started.training_key)
        project = new_project(started, "Screws")
        copy = new_project(started, f"Screws (compact copy {project[:8]})")
        app([*arguments_for(tmp_path), "--archive-only"], standalone_mode=False)
    printed = capsys.readouterr().out
    assert f"Screws (compact copy {project[:8]}) ({copy})\n  note: a copy that --retrain-compact" in printed
    assert [one.name for one in (tmp_path / "archive").iterdir()] == [project]
