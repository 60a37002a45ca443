"""Choreography in the control API: plans for trainings, exports and imports, and the jobs that they hold."""

from typing import Annotated, Any

from starlette.responses import JSONResponse, Response

from emulator.api.dependencies import Emulator, ProjectId, json_body
from emulator.api.routing import OperationRouter
from emulator.contract.error_codes import FAILURE_CODES
from emulator.contract.test_kit import choreography as bodies
from emulator.contract.test_kit.spelling import did_you_mean
from emulator.contract.wire import zulu
from emulator.core.choreography.held import Held
from emulator.core.choreography.plan import Failure, Kind, Plan, make_plan, refused
from emulator.core.context import Context
from emulator.core.projects import manage as projects

router = OperationRouter()

_OF_ALL = "/_emulator/choreography"
_OF_PROJECT = "/_emulator/projects/{projectId}/choreography"
_Body = Annotated[bodies.Choreography, json_body(bodies.Choreography)]


@router.own("GET", _OF_ALL)
def get_choreography(emulator: Emulator) -> Response:
    return _shown(emulator, None)


@router.own("PUT", _OF_ALL)
def set_choreography(emulator: Emulator, body: _Body) -> Response:
    emulator.choreography.set_plans(_plans(body))
    return _shown(emulator, None)


@router.own("DELETE", _OF_ALL)
def remove_choreography(emulator: Emulator) -> None:
    emulator.choreography.remove_plans()


@router.own("GET", _OF_PROJECT)
def get_choreography_of_project(emulator: Emulator, project_id: ProjectId) -> Response:
    projects.get(emulator, project_id)
    return _shown(emulator, project_id)


@router.own("PUT", _OF_PROJECT)
def set_choreography_of_project(emulator: Emulator, project_id: ProjectId, body: _Body) -> Response:
    projects.get(emulator, project_id)
    emulator.choreography.set_plans(_plans(body), project_id)
    return _shown(emulator, project_id)


@router.own("DELETE", _OF_PROJECT)
def remove_choreography_of_project(emulator: Emulator, project_id: ProjectId) -> None:
    projects.get(emulator, project_id)
    emulator.choreography.remove_plans(project_id)


def _plans(body: bodies.Choreography) -> dict[Kind, Plan]:
    given: dict[Kind, bodies.Plan | None] = {
        "training": body.training,
        "export": body.export,
        "import": body.import_,
    }
    return {kind: _plan(kind, plan) for kind, plan in given.items() if plan is not None}


def _plan(kind: Kind, body: bodies.Plan) -> Plan:
    failure = None
    if body.failure is not None:
        failure = Failure(_known_code(kind, body.failure.code), body.failure.message)
    return make_plan(kind, body.complete, body.polls, body.seconds, body.states, failure)


def _known_code(kind: Kind, code: str) -> str:
    if code in FAILURE_CODES:
        return code
    hint = did_you_mean(code, FAILURE_CODES)
    raise refused(kind, f"'{code[:100]}' is no error code of the service{hint}")


def _shown(context: Context, project_id: str | None) -> Response:
    plans = context.choreography.plans(project_id)
    return JSONResponse(
        {
            **{kind: _shown_plan(plans.get(kind)) for kind in ("training", "export", "import")},
            "held": [_shown_job(held) for held in context.choreography.held(project_id)],
        }
    )


def _shown_plan(plan: Plan | None) -> dict[str, Any] | None:
    """A plan as it can be sent, without what it does not have."""
    if plan is None:
        return None
    shown: dict[str, Any] = {"complete": plan.complete}
    if plan.polls is not None:
        shown["polls"] = plan.polls
    if plan.seconds is not None:
        shown["seconds"] = plan.seconds
    if plan.complete != "atOnce":
        shown["states"] = list(plan.states)
    if plan.failure is not None:
        shown["failure"] = {"code": plan.failure.code, "message": plan.failure.message}
    return shown


def _shown_job(held: Held) -> dict[str, Any]:
    left = None if held.plan.polls is None else max(0, held.plan.polls - held.polls)
    return {
        "kind": held.kind,
        "projectId": held.project_id,
        "iterationId": held.iteration_id,
        "status": held.shown,
        "polls": held.polls,
        "pollsLeft": left,
        "due": None if held.due is None else zulu(held.due),
        "executed": held.ending is not None,
    }
