"""The demonstration, on the user's images and on unusable folders."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 600
TAGS = {"dark": 40, "light": 210}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two tags that are easy to distinguish: dark and light noise."""
    folder = tmp_path / "photographs"
    for tag, level in TAGS.items():
        (folder / tag).mkdir(parents=True)
        for number in range(7):
            noise = Image.effect_noise((96, 96), 60 + number)
            noise.point(lambda value, level=level: (value + 3 * level) // 4).save(
                folder / tag / f"{number}.png"
            )
    return folder


def run(images: Path, folder: Path, port: int = 10010) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CUSTOM_VISION_")}
    command = [
        sys.executable,
        "tools/demo.py",
        "--images",
        str(images),
        "--port",
        str(port),
        "--folder",
        str(folder),
    ]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The folder of the demonstration; the emulator that it leaves running is stopped at the end."""
    folder = tmp_path / "demo"
    yield folder
    owner = folder / "state" / "emulator.pid"
    if owner.exists():
        os.kill(int(owner.read_text()), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="stops the emulator with a POSIX signal")
def test_it_runs_twice_and_leaves_the_emulator_running(photographs: Path, state: Path, port: int) -> None:
    (photographs / "dark" / "broken.jpg").write_text("no photograph")
    first = run(photographs, state, port)
    assert (first.returncode, first.stderr) == (0, ""), first.stdout
    assert "4 of 4 right" in first.stdout or "3 of 4 right" in first.stdout
    assert "broken.jpg (ErrorImageFormat)" in first.stdout
    tables = first.stdout.split("Photographs that it has not seen")[1].split("The emulator goes on")[0]
    assert max(map(len, tables.splitlines())) <= 80
    second = run(photographs, state, port)
    assert second.returncode == 0, second.stdout
    assert f"kill {(state / 'state' / 'emulator.pid').read_text().strip()}" in second.stdout


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no folder"),
        (lambda folder: shutil.rmtree(folder / "dark"), "at least two subfolders"),
        (
            lambda folder: [(folder / "dark" / f"{number}.png").unlink() for number in (0, 1)],
            "at least 6 photographs",
        ),
        (
            lambda folder: [path.rename(path.with_suffix(".txt")) for path in (folder / "dark").iterdir()],
            "at least 6",
        ),
    ],
)
def test_an_unusable_folder_is_reported_in_one_line(
    photographs: Path, tmp_path: Path, spoil: object, reason: str
) -> None:
    assert callable(spoil)
    spoil(photographs)
    ran = run(photographs, tmp_path / "demo")
    assert ran.returncode == 1
    assert reason in ran.stdout
    assert ran.stdout.startswith("\nmake demo: ")
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "demo" / "state").exists()


def test_a_port_of_another_program_is_reported(photographs: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        def answer_as_a_mail_server() -> None:
            while True:
                try:
                    connection, _ = taken.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"220 mail.example ready\r\n")

        thread = threading.Thread(target=answer_as_a_mail_server)
        thread.start()
        ran = run(photographs, tmp_path / "demo", port)
        taken.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE_SECONDS)
    assert ran.returncode == 1
    assert f"port {port}" in ran.stdout
