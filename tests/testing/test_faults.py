"""Faults by the client of the control API that test suites use."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from emulator.testing import EmulatorServer


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


def projects(server: EmulatorServer, client: str = "") -> int:
    """The status of a request for the projects."""
    return httpx.get(
        f"{server.endpoint}/customvision/v3.3/training/projects",
        headers={"Training-Key": server.training_key, "X-Emulator-Client": client},
        trust_env=False,
    ).status_code


def test_steps_are_used_and_their_use_is_read(server: EmulatorServer) -> None:
    faults = server.control.faults
    scenario = faults.add("GetProjects", {"kind": "throttle"}, {"kind": "status", "status": 503}, client="a")
    assert not faults.all_used()
    assert [projects(server, client) for client in ("a", "b", "a", "a")] == [429, 200, 503, 200]
    assert faults.all_used()
    assert [step["used"] for step in faults.get(scenario)["steps"]] == [1, 1]
    faults.remove(scenario)
    assert faults.list()["scenarios"] == []


def test_random_faults_need_no_steps(server: EmulatorServer) -> None:
    faults = server.control.faults
    faults.add("*", random={"seed": 1, "probability": 1, "kinds": ["throttle"], "calls": 2})
    assert [projects(server) for _ in range(3)] == [429, 429, 200]
    assert faults.all_used()
    faults.clear()
    assert faults.list()["scenarios"] == []


def test_a_delay_ends_with_its_scenario(server: EmulatorServer) -> None:
    server.control.faults.add("GetProjects", {"kind": "delay", "milliseconds": 300_000})
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(
            f"{server.endpoint}/customvision/v3.3/training/projects",
            headers={"Training-Key": server.training_key},
            timeout=0.1,
            trust_env=False,
        )
    server.control.reset()
    assert projects(server) == 200
