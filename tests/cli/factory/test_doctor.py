"""The command `doctor`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.program import Start, run


def test_doctor_examines_the_folder_of_a_running_emulator(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    start("--data", str(data))
    healthy = run("doctor", "--data", str(data), "--no-hashes")
    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert "ok       database " in healthy.stdout
    (data / "link-secret").write_bytes(b"short")
    damaged = run("doctor", "--data", str(data), "--json")
    assert damaged.returncode == 1
    assert damaged.stderr == f"custom-vision-emulator: 1 problem in {data}\n"
    findings = [json.loads(line) for line in damaged.stdout.splitlines()]
    assert [finding["check"] for finding in findings if finding["state"] == "problem"] == ["folder"]
