"""Choreography in tests: setting plans, and services whose jobs run in their threads."""

from typing import Any

from emulator.store.tables import JobKind
from tests.support.harness import Service, expect, wait_until


def plan(service: Service, project: str = "", **plans: Any) -> dict[str, Any]:
    """Set the plans of a project (its path), or of all; `imports` stands for ``import``."""
    if "imports" in plans:
        plans["import"] = plans.pop("imports")
    shown: dict[str, Any] = expect(service.request("PUT", f"/_emulator{project}/choreography", json=plans))
    return shown


def held(service: Service, project: str = "") -> list[dict[str, Any]]:
    """The held jobs, as the control API shows them."""
    jobs: list[dict[str, Any]] = expect(service.request("GET", f"/_emulator{project}/choreography"))["held"]
    return jobs


def start_runners(service: Service) -> None:
    """Execute jobs in threads from now on, as a server does."""
    for runner in service.context.jobs.runners:
        if runner.kind != JobKind.NOTIFICATION:
            runner.start()


def begin_training(service: Service, project: str, **more: Any) -> str:
    """The path of an iteration whose training was requested."""
    return f"{project}/iterations/{service.post(f'{project}/train', **more)['id']}"


def statuses(service: Service, path: str, polls: int) -> list[str]:
    """What a client sees that polls."""
    return [service.get(path)["status"] for _ in range(polls)]


def wait_until_executed(service: Service) -> None:
    """Wait until the work of every held job is done."""
    wait_until(lambda: all(job["executed"] for job in held(service)), "the work")
