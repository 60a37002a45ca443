"""The commands `snapshot save`, `restore`, `list` and others, against a running emulator."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.harness import TRAINING_KEY
from tests.support.program import Start, run


def test_snapshots_from_the_command_line(start: Start, tmp_path: Path) -> None:
    port = str(start("--ephemeral").port)
    file = str(tmp_path / "base.zip")

    def snapshot(*arguments: str) -> str:
        ran = run("snapshot", *arguments, "--port", port)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran.stdout

    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}/customvision/v3.3/training",
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
    ) as client:
        client.post("/projects", params={"name": "saved"})
        saved = snapshot("save", "base")
        assert saved.startswith("base ")
        assert "1 projects, 0 images, 0 iterations" in saved
        assert snapshot("list") == saved
        client.post("/projects", params={"name": "not saved"})
        assert snapshot("restore", "base") == saved
        assert [project["name"] for project in client.get("/projects").json()] == ["saved"]
        assert snapshot("download", "base", file).startswith(file)
        assert snapshot("delete", "base") == "base is deleted\n"
        assert snapshot("list") == ""
        run("reset", "--yes", "--port", port)
        snapshot("upload", "again", file)
        snapshot("restore", "again")
        assert [project["name"] for project in client.get("/projects").json()] == ["saved"]
        assert run("reset", "--yes", "--snapshots", "--port", port).returncode == 0
        assert snapshot("list") == ""


def test_refusals_are_one_line(start: Start, tmp_path: Path) -> None:
    port = str(start("--ephemeral").port)
    wrong = tmp_path / "wrong.zip"
    wrong.write_bytes(b"wrong")

    def refused(*arguments: str) -> str:
        ran = run("snapshot", *arguments, "--port", port)
        assert (ran.returncode, ran.stdout) == (1, "")
        (line,) = ran.stderr.splitlines()
        return line.removeprefix("custom-vision-emulator: ")

    assert refused("restore", "base") == "There is no snapshot 'base'."
    assert refused("upload", "base", str(wrong)) == (
        "The archive cannot be used. It is not a zip file, or it is not complete."
    )
    assert refused("upload", "base", str(tmp_path / "absent.zip")).startswith("cannot read ")
    assert "--training-key" in refused("list", "--training-key", "wrong")
