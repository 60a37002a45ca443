"""The command `pull`, as users start it: keys, exit statuses, kills, and what a later start serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from emulator.cli.errors import CommandFailed
from emulator.cli.main import app
from emulator.settings import SettingError
from emulator.testing import EmulatorServer
from tests.support.cloud import KEY, Cloud, Reply, Request
from tests.support.harness import PATIENCE_SECONDS, TRAINING_KEY, wait_until
from tests.support.program import Start

_IMAGES = 40
_WORKERS = 6


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(_IMAGES) as started:
        yield started


def begin(cloud: Cloud, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if "VISION" not in name}
    environment["VISION_TRAINING_ENDPOINT"] = cloud.endpoint
    environment["VISION_TRAINING_KEY"] = KEY
    return subprocess.Popen(
        [sys.executable, "-m", "emulator", "pull", "--tps", "100", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def pull(cloud: Cloud, *arguments: str) -> tuple[int, str, str]:
    """The exit status of a pull in a process of its own, and what it printed."""
    process = begin(cloud, *arguments)
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, errors


Here = Callable[..., str]


@pytest.fixture
def here(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """A pull in this process: returns what it printed, or raises what ends the program with a message."""

    def run(*arguments: str, key: str | None = KEY) -> str:
        monkeypatch.setenv("VISION_TRAINING_ENDPOINT", cloud.endpoint)
        monkeypatch.delenv("VISION_TRAINING_KEY", raising=False)
        if key is not None:
            monkeypatch.setenv("VISION_TRAINING_KEY", key)
        app(["pull", "--tps", "100", *arguments], standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_a_pulled_project_is_served_by_the_next_start(
    cloud: Cloud, start: Start, here: Here, tmp_path: Path
) -> None:
    cloud.iterate()
    data = str(tmp_path / "data")
    status, output, errors = pull(cloud, "--data", data)
    assert (status, errors) == (0, "")
    assert f"images {_IMAGES} of {_IMAGES}" in output
    assert "missing 0" in output
    assert f"inserted into {data}: {_IMAGES} images, 1 iteration" in output
    manifest = json.loads((tmp_path / "data" / "pulled" / cloud.id / "manifest.json").read_text("utf-8"))
    assert manifest["complete"] is True
    with pytest.raises(CommandFailed, match=r"there is a project with the id .* --replace replaces it"):
        here("--data", data, "--project", "cloud")
    assert "already here: not changed; --replace replaces it" in here("--data", data)
    assert f"{_IMAGES} images" in here("--data", data, "--project", "cloud", "--replace")
    running = start("--data", data)
    before = len(cloud.requests)
    with pytest.raises(CommandFailed, match=r"is in use by process .* with --running"):
        here("--data", data, "--replace")
    # Noticed before the project is read.
    assert {request.path.rpartition("/")[2] for request in cloud.requests[before:]} == {"projects"}
    port = ("--port", str(running.port))
    with pytest.raises(CommandFailed, match="there is a project with the id"):
        here("--data", data, "--running", *port, "--project", cloud.id)
    assert "already here" in here("--data", data, "--running", *port)
    printed = here("--data", data, "--running", *port, "--replace")
    assert f"inserted into the running emulator: {_IMAGES} images, 1 iteration" in printed
    found = httpx.get(
        f"http://127.0.0.1:{running.port}/customvision/v3.3/training/projects/{cloud.id}/images/count",
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
    )
    assert found.json() == _IMAGES


def test_after_kills_at_any_time_no_file_is_fetched_again_that_was_complete(
    cloud: Cloud, tmp_path: Path
) -> None:
    cloud.iterate()
    cloud.predict(1)
    kills = [1, 12, 33]  # the numbers of requested files at which the process is killed
    reached = threading.Event()

    def watch(request: Request) -> Reply | None:
        if kills and sum(cloud.fetched().values()) >= kills[0]:
            reached.set()
        return None

    cloud.interrupt = watch
    arguments = ("--archive", str(tmp_path / "archive"), "--archive-only")
    for _ in range(len(kills)):
        process = begin(cloud, *arguments)
        assert reached.wait(PATIENCE_SECONDS)
        process.kill()
        process.communicate()
        kills.pop(0)
        reached.clear()
    status, output, _ = pull(cloud, *arguments)
    assert (status, "missing 0" in output) == (0, True)
    fetched = cloud.fetched()
    assert len(fetched) == _IMAGES + 1
    # Only those whose transfer was under way at a kill.
    assert sum(fetched.values()) - len(fetched) <= 3 * _WORKERS


def test_what_is_missing_decides_the_exit_status(
    cloud: Cloud, here: Here, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del cloud.files[cloud.images[0]["id"]]
    data = ("--data", str(tmp_path / "data"))
    with pytest.raises(CommandFailed, match="not complete"):
        here(*data)
    printed = capsys.readouterr()
    assert f"missing: image {cloud.images[0]['id']}: its file: status 404" in printed.out
    assert "not inserted; repeat the command, or insert what is there with --accept-missing" in printed.err
    with pytest.raises(CommandFailed, match="not complete"):
        here(*data, "--accept-missing")
    assert f"{_IMAGES - 1} images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "key", "message"),
    [
        ([], None, "--key-file: give a file with the training key"),
        ([], "0" * 32, "give the training key, not the prediction key"),
        (["--key-file", "absent.txt"], None, "--key-file: cannot read 'absent.txt'"),
        (["--project", "another"], KEY, "there is no project 'another'; the resource has: 'cloud'"),
        (["--endpoint", "ftp://x"], KEY, "the endpoint is no address of a resource"),
    ],
)
def test_refusals_are_one_line_without_a_key(
    here: Here, tmp_path: Path, arguments: list[str], key: str | None, message: str
) -> None:
    with pytest.raises((CommandFailed, SettingError)) as refused:
        here("--data", str(tmp_path / "data"), *arguments, key=key)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (key or KEY) not in str(refused.value)


def test_the_key_is_read_from_a_file(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n", "utf-8")
    arguments = ("--archive", str(tmp_path / "archive"), "--archive-only", "--no-iterations")
    assert "missing 0" in here(*arguments, "--key-file", str(file), key=None)


def test_a_resource_without_projects_is_named(cloud: Cloud, here: Here, tmp_path: Path) -> None:
    cloud.interrupt = lambda request: Reply(body=b"[]")
    assert here("--data", str(tmp_path / "data")) == "the resource has no projects\n"


def test_a_project_of_the_running_emulator_is_pushed_into_another_one(
    here: Here, cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "archive"
    here("--archive", str(archive), "--archive-only")
    with EmulatorServer() as first, EmulatorServer() as second:
        for source, target in (
            (["--archive", str(archive / cloud.id)], first),
            (["--project", "cloud", "--port", str(first.port), "--data", str(tmp_path / "data")], second),
        ):
            key = tmp_path / "key"
            key.write_text(target.training_key, "utf-8")
            options = ["--endpoint", target.endpoint, "--key-file", str(key), "--tps", "1000"]
            app(["push", *source, *options], standalone_mode=False)
            line = capsys.readouterr().out
            assert f": {_IMAGES} images; ids in " in line
            with target.training_client() as client:
                (project,) = client.get_projects()
                assert client.get_image_count(project.id) == _IMAGES
                assert project.id in line
        ids = json.loads((archive / cloud.id / "ids.json").read_text("utf-8"))
        assert len(ids["image"]) == _IMAGES
        assert ids["image"].keys() == {image["id"] for image in cloud.images}
        with pytest.raises(SettingError, match="give one of them"):
            app(["push"], standalone_mode=False)
        with pytest.raises(CommandFailed, match="there is no project 'absent'"):
            app(["push", "--project", "absent", "--port", str(first.port), *options], standalone_mode=False)


def test_a_training_that_a_pull_requests_begins_with_the_next_start(
    cloud: Cloud, here: Here, tmp_path: Path
) -> None:
    for number in range(_IMAGES, _IMAGES + 10):
        tags = [{"tagId": cloud.tags[1]["id"], "tagName": "blue", "created": "2020-11-06T16:16:00"}]
        cloud.add(number, tags=tags)
    cloud.iterate()
    data = tmp_path / "data"
    printed = here("--data", str(data), "--retrain-local", "--trainer", "instant")
    assert "training here: Iteration 2, which begins when the emulator starts" in printed
    with EmulatorServer(data=data, trainer="instant") as server, server.training_client() as client:
        wait_until(
            lambda: [one.status for one in client.get_iterations(cloud.id)] == ["Completed"] * 2,
            "the training",
        )


def test_originals_are_looked_for_in_a_folder_that_exists(cloud: Cloud, here: Here, tmp_path: Path) -> None:
    archive = ("--archive", str(tmp_path / "archive"), "--archive-only")
    image = cloud.images[0]
    image["width"], image["height"] = 1600, 1200
    shaded = Image.linear_gradient("L").convert("RGB")
    shaded.resize((2000, 1500)).save(tmp_path / "original.png")
    shaded.resize((1600, 1200)).save(tmp_path / "scaled.png")
    cloud.files[image["id"]] = (tmp_path / "scaled.png").read_bytes()
    (tmp_path / "photographs").mkdir()
    (tmp_path / "original.png").rename(tmp_path / "photographs" / "1.png")
    printed = here(*archive, "--originals", str(tmp_path / "photographs"))
    assert "  originals: 1 of 1 images with 1,600 pixels" in printed
    with pytest.raises(SettingError, match=r"--originals: .* is no folder"):
        here(*archive, "--originals", str(tmp_path / "elsewhere"))
    with pytest.raises(SettingError, match=r"--originals: give a folder"):
        here(*archive, "--originals", "")
    inserted = ("--archive", str(tmp_path / "archive"), "--data", str(tmp_path / "data"))
    here(*inserted)
    with pytest.raises(
        CommandFailed, match=r"the originals are in the archive alone, .*--replace inserts them"
    ):
        here(*inserted, "--originals", str(tmp_path / "photographs"))
    assert "inserted into" in here(*inserted, "--originals", str(tmp_path / "photographs"), "--replace")
