"""The commands that show what an emulator was asked: requests and usage."""

from __future__ import annotations

import json

import httpx

from emulator.cli.requests import request_lines
from emulator.settings import Settings
from tests.support.program import Start, run

KEY = {"Training-Key": Settings().training_keys[0]}


def test_requests_and_usage_of_a_running_emulator(start: Start) -> None:
    port = str(start("--ephemeral").port)
    base = f"http://127.0.0.1:{port}/customvision/v3.3/training"
    with httpx.Client(headers=KEY, trust_env=False) as client:
        client.post(f"{base}/projects", params={"name": "a"})
        client.get(f"{base}/projectz")
    lines = run("requests", "--port", port).stdout.splitlines()
    assert " POST /customvision/v3.3/training/projects?name=a 200 " in lines[0]
    assert lines[0].endswith(" ms CreateProject")
    assert " GET /customvision/v3.3/training/projectz 404 " in lines[1]
    assert lines[2:] == [
        "    no operation has this path",
        (
            "    nearest: GetProjects (GET /customvision/v3.3/training/projects):"
            " 'projectz' instead of 'projects'"
        ),
    ]
    shown = json.loads(run("requests", "--port", port, "--status", "2xx", "--json").stdout)
    assert [one["operation"] for one in shown["requests"]] == ["CreateProject"]
    report = run("usage", "--port", port).stdout
    assert "| CreateProject | Training 3.3 | 1 | 0 | name |  | 1 SDK, validated |" in report.splitlines()
    assert json.loads(run("usage", "--port", port, "--json").stdout)["requests"] == 1

    refused = run("requests", "--port", port, "--status", "abc")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "expected a status" in refused.stderr
    assert run("usage", "--port", port, "--training-key", "other").returncode == 1
    assert run("requests", "--port", port, "--clear").returncode == 0
    assert run("requests", "--port", port).stdout == ""


def test_an_entry_as_lines() -> None:
    entry = {
        "time": "2026-01-31T12:00:00.000Z",
        "method": "GET",
        "path": "/x",
        "query": "",
        "status": None,
        "durationMs": 1.25,
        "operation": None,
        "client": "one",
        "errorCode": "NotFoundProject",
        "reason": "Project not found",
        "fault": "reset",
        "nearMisses": [],
        "departures": ["request: a"],
    }
    assert list(request_lines(entry)) == [
        "2026-01-31T12:00:00.000Z GET /x no response 1.2 ms one",
        "    NotFoundProject: Project not found",
        "    fault: reset",
        "    departs from the document: request: a",
    ]
