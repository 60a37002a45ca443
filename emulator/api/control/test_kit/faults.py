"""Scenarios of faults, in the emulator's own API: set, list, remove."""

from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import JSONResponse, Response

from emulator.api.dependencies import Emulator, ScenarioId, json_body
from emulator.api.faults.scenario import Scenario, Used
from emulator.api.faults.scenarios import FaultScenarios
from emulator.api.routing import OperationRouter
from emulator.contract.test_kit.faults import DEFAULT_KINDS, FaultScenario, steps_of
from emulator.core.projects import manage as projects

router = OperationRouter()

_PATH = "/_emulator/faults"


async def _scenarios(request: Request) -> FaultScenarios:
    scenarios: FaultScenarios = request.app.state.faults
    return scenarios


_Scenarios = Annotated[FaultScenarios, Depends(_scenarios)]


@router.own("POST", _PATH)
def set_faults(
    emulator: Emulator,
    scenarios: _Scenarios,
    body: Annotated[FaultScenario, json_body(FaultScenario)],
) -> Response:
    if body.project_id is not None:
        projects.get(emulator, body.project_id)
    chosen = None if body.random is None else body.random.kinds
    steps = body.steps or steps_of(chosen or DEFAULT_KINDS)
    scenario = Scenario(emulator.ids.internal(), body, [Used(step) for step in steps])
    scenarios.add(scenario)
    return JSONResponse(_shown(scenario), 201)


@router.own("GET", _PATH)
def list_faults(scenarios: _Scenarios) -> Response:
    found = scenarios.list_all()
    return JSONResponse(
        {"allUsed": all(one.all_used for one in found), "scenarios": [_shown(one) for one in found]}
    )


@router.own("DELETE", _PATH)
def remove_all_faults(scenarios: _Scenarios) -> None:
    scenarios.clear()


@router.own("GET", f"{_PATH}/{{scenarioId}}")
def get_faults(scenarios: _Scenarios, scenario_id: ScenarioId) -> Response:
    return JSONResponse(_shown(scenarios.get(scenario_id)))


@router.own("DELETE", f"{_PATH}/{{scenarioId}}")
def remove_faults(scenarios: _Scenarios, scenario_id: ScenarioId) -> None:
    scenarios.remove(scenario_id)


def _shown(scenario: Scenario) -> dict[str, Any]:
    request = scenario.request
    shown: dict[str, Any] = {"id": scenario.id, "operation": request.operation}
    if request.project_id is not None:
        shown["projectId"] = request.project_id
    if request.client is not None:
        shown["client"] = request.client
    is_random = request.random is not None
    shown["steps"] = [_shown_step(used, is_random=is_random) for used in scenario.steps]
    if request.random is not None:
        shown["random"] = request.random.model_dump(by_alias=True, exclude_none=True)
    shown["calls"] = scenario.calls
    shown["remainingCalls"] = scenario.remaining_calls
    shown["allUsed"] = scenario.all_used
    return shown


def _shown_step(used: Used, *, is_random: bool) -> dict[str, Any]:
    step = used.step.model_dump(by_alias=True, exclude_none=True)
    shown: dict[str, Any] = {name: step.pop(name) for name in ("kind", "times", "afterDone") if name in step}
    shown |= step | {"used": used.used}
    return shown if is_random else {**shown, "remaining": used.remaining}
