"""Fault scenarios of the control API, as tests set them."""

from __future__ import annotations

from typing import Any

from tests.support.harness import Service, expect

FAULTS = "/_emulator/faults"


def set_faults(service: Service, *steps: dict[str, Any], operation: str = "*", **more: Any) -> str:
    """The id of a new scenario."""
    body = {"operation": operation, "steps": list(steps), **more}
    return str(expect(service.request("POST", FAULTS, json=body), 201)["id"])


def scenario(service: Service, scenario_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = expect(service.request("GET", f"{FAULTS}/{scenario_id}"))
    return shown


def all_used(service: Service) -> bool:
    return bool(expect(service.request("GET", FAULTS))["allUsed"])


def used(service: Service, scenario_id: str) -> list[int]:
    """For each step, the number of calls that have used it."""
    return [step["used"] for step in scenario(service, scenario_id)["steps"]]
