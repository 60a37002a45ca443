"""The trainer of all projects and of single ones, in the emulator's own API."""

from typing import Annotated

from starlette.responses import JSONResponse, Response

from emulator.api.dependencies import Emulator, ProjectId, json_body
from emulator.api.routing import OperationRouter
from emulator.contract.requests import StrictBody
from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.trainers import Trainer

router = OperationRouter()

_PATH = "/_emulator/trainer"
_PROJECT_PATH = "/_emulator/projects/{projectId}/trainer"
_BODY_BYTES = 4096


class _Choice(StrictBody):
    trainer: Trainer


_Body = Annotated[_Choice, json_body(_Choice, max_bytes=_BODY_BYTES)]


@router.own("GET", _PATH)
def get_trainer(emulator: Emulator) -> Response:
    return JSONResponse({"trainer": emulator.trainers.default})


@router.own("PUT", _PATH)
def set_trainer(emulator: Emulator, body: _Body) -> Response:
    emulator.trainers.default = body.trainer
    return get_trainer(emulator)


@router.own("GET", _PROJECT_PATH)
def get_project_trainer(emulator: Emulator, project_id: ProjectId) -> Response:
    _check_project(emulator, project_id)
    return _of_project(emulator, project_id)


@router.own("PUT", _PROJECT_PATH)
def set_project_trainer(emulator: Emulator, project_id: ProjectId, body: _Body) -> Response:
    _check_project(emulator, project_id)
    emulator.trainers.choose(project_id, body.trainer)
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
