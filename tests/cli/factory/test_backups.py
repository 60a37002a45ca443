"""The commands `backup` and `restore`, beside a running emulator and killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from tests.conftest import Serve
from tests.support.harness import PATIENCE_SECONDS, TRAINING_KEY, files_body
from tests.support.images import pictures
from tests.support.live_server import LiveServer
from tests.support.program import PROGRAM, Start, clean_environment, run

# Kills of each command; the acceptance test has 20.
KILLS = int(os.environ.get("KILLS", "1"))


def names(port: int) -> list[str]:
    found = httpx.get(
        f"http://127.0.0.1:{port}/customvision/v3.3/training/projects",
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
    )
    return [project["name"] for project in found.json()]


def test_a_backup_is_made_and_restored_beside_a_running_emulator(start: Start, tmp_path: Path) -> None:
    data, target = str(tmp_path / "data"), str(tmp_path / "backups")
    port = start("--data", data).port
    training = f"http://127.0.0.1:{port}/customvision/v3.3/training"
    with httpx.Client(base_url=training, headers={"Training-Key": TRAINING_KEY}, trust_env=False) as client:
        project = client.post("/projects", params={"name": "saved"}).json()["id"]
        client.post(f"/projects/{project}/images/files", json=files_body(pictures(3)))
        saved = run("backup", target, "--data", data, "--keep", "3")
        assert (saved.returncode, saved.stderr) == (0, "")
        assert "1 projects, 3 images, 0 iterations" in saved.stdout
        client.post("/projects", params={"name": "later"})
        checked = run("restore", "--check", target, "--data", data)
        assert (checked.returncode, checked.stderr) == (0, "")
        assert checked.stdout.endswith("all files are intact\n")
        refused = run("restore", target, "--data", data)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "--yes" in refused.stderr
        restored = run("restore", target, "--yes", "--data", data, "--port", str(port))
        assert (restored.returncode, restored.stderr) == (0, "")
        assert names(port) == ["saved"]
        assert client.get(f"/projects/{project}/images/count").json() == 3
        wrong = run(
            "restore", target, "--yes", "--data", data, "--port", str(port), "--training-key", "wrong"
        )
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert "--training-key" in wrong.stderr
    assert not list((tmp_path / "data" / "snapshots").glob("*"))


def test_a_damaged_backup_is_refused_in_one_line(tmp_path: Path) -> None:
    refused = run("restore", str(tmp_path), "--data", str(tmp_path / "data"))
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith("custom-vision-emulator: the backup was not restored: ")
    refused = run("restore", "~no-such-user/backups", "--data", str(tmp_path / "data"))
    assert (refused.returncode, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert line.endswith("'~no-such-user/backups' names a home folder that does not exist")
    refused = run("backup", str(tmp_path / "backups"), "--data", str(tmp_path / "data"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no backup was made" in refused.stderr


@pytest.mark.slow
def test_kills_of_backups_and_restores_leave_the_old_state_usable(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    project = server.project(name="old")
    server.post(f"{project}/images/files", json=files_body(pictures(20)))
    target, data = tmp_path / "backups", server.data
    assert run("backup", str(target), "--data", str(data)).returncode == 0
    for number in range(KILLS):
        _kill_after(number, "backup", str(target), "--data", str(data), "--keep", "2")
        checked = run("restore", "--check", str(target), "--data", str(data))
        assert checked.returncode == 0, checked.stderr
    assert run("backup", str(target), "--data", str(data)).returncode == 0
    assert not [path for path in target.iterdir() if path.name.startswith(".new-")]
    server.project(name="new")
    server.terminate()
    for number in range(KILLS):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(data, copy)
        _kill_after(number, "restore", str(target), "--yes", "--data", str(copy))
        again = LiveServer(copy)
        try:
            assert sorted(names(again.port)) in (["new", "old"], ["old"])
            assert again.get(f"{project}/images/count") == 20
        finally:
            again.kill()
        shutil.rmtree(copy)


def _kill_after(number: int, *arguments: str) -> None:
    """Run a command, and kill it after a time that begins where its work does and differs for each number."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    killer = threading.Timer(0.3 + (number + 0.5) * 1.2 / KILLS, process.kill)
    killer.start()
    try:
        process.wait(timeout=PATIENCE_SECONDS)
    finally:
        killer.cancel()
