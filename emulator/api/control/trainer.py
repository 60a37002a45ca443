"""The trainer of all projects and of single ones, in the emulator's own API."""

from typing import Any

import orjson
from starlette.responses import JSONResponse, Response

from emulator.api.dependencies import Body, Emulator, ProjectId
from emulator.api.routing import OperationRouter
from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.trainers import TRAINERS, Trainer

router = OperationRouter()

_PATH = "/_emulator/trainer"
_PROJECT_PATH = "/_emulator/projects/{projectId}/trainer"


@router.own("GET", _PATH)
def get_trainer(emulator: Emulator) -> Response:
    return JSONResponse({"trainer": emulator.trainers.default})


@router.own("PUT", _PATH)
def set_trainer(emulator: Emulator, body: Body) -> Response:
    emulator.trainers.default = _trainer_in(body)
    return get_trainer(emulator)


@router.own("GET", _PROJECT_PATH)
def get_project_trainer(emulator: Emulator, project_id: ProjectId) -> Response:
    _check_project(emulator, project_id)
    return _of_project(emulator, project_id)


@router.own("PUT", _PROJECT_PATH)
def set_project_trainer(emulator: Emulator, project_id: ProjectId, body: Body) -> Response:
    _check_project(emulator, project_id)
    emulator.trainers.choose(project_id, _trainer_in(body))
    return _of_project(emulator, project_id)


@router.own("DELETE", _PROJECT_PATH)
def reset_project_trainer(emulator: Emulator, project_id: ProjectId) -> None:
    _check_project(emulator, project_id)
    emulator.trainers.choose(project_id, None)


def _of_project(emulator: Context, project_id: str) -> Response:
    own = emulator.trainers.own(project_id)
    return JSONResponse({"trainer": emulator.trainers.of(project_id), "isDefault": own is None})


def _check_project(emulator: Context, project_id: str) -> None:
    with emulator.database.read() as session:
        lookup.project(session, project_id)


def _trainer_in(body: bytes) -> Trainer:
    """The trainer in ``{"trainer": ...}``. Raises ServiceError."""
    known = " or ".join(f'"{name}"' for name in TRAINERS)
    expected = f'expected {{"trainer": {known}}}'
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ServiceError("BadRequest", f"The body is not JSON ({error}); {expected}.") from None
    if not isinstance(value, dict):
        raise ServiceError("BadRequest", f"The body is not an object; {expected}.")
    unknown = [name for name in value if name != "trainer"]
    if unknown:
        raise ServiceError("BadRequest", f"Unknown property '{unknown[0][:100]}'; {expected}.")
    chosen = next((name for name in TRAINERS if name == value.get("trainer")), None)
    if chosen is None:
        raise ServiceError("BadRequest", f"The property 'trainer' is not {known}; {expected}.")
    return chosen
