"""State that survives the process in a folder: `--seed-data`, `--import` and `--export-on-exit`, live."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.images import picture, pictures
from tests.support.live_server import LiveServer
from tests.support.program import clean_environment, posix_only, run

pytestmark = posix_only


def names(server: LiveServer) -> list[str]:
    return [project["name"] for project in server.get("/projects")]


def export_options(folder: Path) -> tuple[str, ...]:
    return ("--import", str(folder), "--export-on-exit")


def test_the_state_goes_from_one_process_to_the_next(serve: Serve, tmp_path: Path) -> None:
    exported = tmp_path / "exported"
    server = serve(*export_options(exported), "--ephemeral")
    project = server.project(name="kept")
    server.post(f"{project}/images", content=picture(), headers={"Content-Type": "application/octet-stream"})
    assert server.terminate(signal.SIGTERM) == 0
    again = serve(*export_options(exported), "--ephemeral")
    assert names(again) == ["kept"]
    assert again.get(f"{project}/images/count") == 1
    again.project(name="more")
    assert again.terminate(signal.SIGINT) == 0
    last = serve("--import", str(exported), "--ephemeral")
    assert names(last) == ["more", "kept"]
    last.project(name="not exported")
    last.terminate()
    assert json.loads((exported / "snapshot.json").read_bytes())["projects"] == 2


def test_a_killed_process_leaves_the_former_export(serve: Serve, tmp_path: Path) -> None:
    exported = tmp_path / "exported"
    server = serve(*export_options(exported), "--ephemeral")
    server.project(name="exported")
    server.terminate()
    again = serve(*export_options(exported), "--ephemeral")
    again.project(name="lost")
    again.kill()
    assert names(serve("--import", str(exported), "--ephemeral")) == ["exported"]


def test_the_state_is_exported_at_the_deadline_of_a_process_that_does_not_end(
    serve: Serve, tmp_path: Path
) -> None:
    exported = tmp_path / "exported"
    server = LiveServer(tmp_path / "stuck", *export_options(exported), program="tests.support.stuck_server")
    server.project(name="kept")
    assert server.terminate() == 0
    assert not (server.data / "emulator.pid").exists()
    assert names(serve("--import", str(exported), "--ephemeral")) == ["kept"]


def test_a_failed_export_is_in_the_exit_status(serve: Serve, tmp_path: Path) -> None:
    exported = tmp_path / "exported"
    server = serve(*export_options(exported), "--ephemeral")
    exported.rmdir()
    exported.write_bytes(b"")
    assert server.terminate() == 1
    assert "The state was not exported to" in server.log()


def test_seeds_and_wrong_seeds_from_the_command_line(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "red"
    folder.mkdir(parents=True)
    for number, data in enumerate(pictures(3)):
        (folder / f"{number}.png").write_bytes(data)
    assert names(serve("--seed-data", str(folder.parent), "--ephemeral")) == ["shop"]
    (folder / "wrong.png").write_bytes(b"wrong")
    ran = run("serve", "--port", "0", "--ephemeral", "--seed-data", str(folder.parent))
    assert (ran.returncode, ran.stdout) == (1, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith(
        f"custom-vision-emulator: --seed-data: '{folder / 'wrong.png'}' cannot be loaded: "
    )


def test_exports_need_a_folder(tmp_path: Path) -> None:
    ran = run("serve", "--port", "0", "--ephemeral", "--export-on-exit")
    assert (ran.returncode, ran.stderr) == (
        2,
        "custom-vision-emulator: --export-on-exit: give a folder, since there is no --import\n",
    )
    (tmp_path / "other").touch()
    ran = run("serve", "--port", "0", "--ephemeral", "--export-on-exit", str(tmp_path))
    assert ran.returncode == 1
    assert "has other files" in ran.stderr


def test_exec_exports_the_state(tmp_path: Path) -> None:
    exported = tmp_path / "exported"
    create: Any = (
        "import os, urllib.request as u; e = os.environ;"
        "r = u.Request(e['VISION_TRAINING_ENDPOINT'] + '/customvision/v3.3/training/projects?name=made',"
        "headers={'Training-Key': e['VISION_TRAINING_KEY']}, method='POST'); u.urlopen(r)"
    )
    command = [sys.executable, "-m", "emulator", "exec", "--quiet", "--export-on-exit", str(exported)]
    ran = subprocess.run(
        [*command, "--", sys.executable, "-c", create],
        env={**clean_environment(), "no_proxy": "*"},
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0
    assert json.loads((exported / "snapshot.json").read_bytes())["projects"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_prevent_the_export(serve: Serve, tmp_path: Path, number: int) -> None:
    exported = tmp_path / "exported"
    server = serve(*export_options(exported), "--ephemeral")
    server.project(name="kept")
    server.process.send_signal(number)
    server.terminate(number)
    assert names(serve("--import", str(exported), "--ephemeral")) == ["kept"]
