"""The trainer of all projects and of single ones, in the emulator's own API."""

from typing import Annotated

from emulator.api.dependencies import Emulator, ProjectId, json_body
from emulator.api.routing import OperationRouter
from emulator.contract.test_kit import trainer as shapes
from emulator.core.context import Context
from emulator.core.iterations.instant import instant_iterations
from emulator.core.projects import manage as projects

router = OperationRouter()

_PATH = "/_emulator/trainer"
_PROJECT_PATH = "/_emulator/projects/{projectId}/trainer"
_Body = Annotated[shapes.NewTrainer, json_body(shapes.NewTrainer)]


@router.own("GET", _PATH)
def get_trainer(emulator: Emulator) -> shapes.DefaultTrainer:
    return shapes.DefaultTrainer(trainer=emulator.trainers.default)


@router.own("PUT", _PATH)
def set_trainer(emulator: Emulator, body: _Body) -> shapes.DefaultTrainer:
    emulator.trainers.default = body.trainer
    return get_trainer(emulator)


@router.own("GET", _PROJECT_PATH)
def get_project_trainer(emulator: Emulator, project_id: ProjectId) -> shapes.ProjectTrainer:
    projects.get(emulator, project_id)
    return _of_project(emulator, project_id)


@router.own("PUT", _PROJECT_PATH)
def set_project_trainer(emulator: Emulator, project_id: ProjectId, body: _Body) -> shapes.ProjectTrainer:
    projects.get(emulator, project_id)
    emulator.trainers.choose(project_id, body.trainer)
    return _of_project(emulator, project_id)


@router.own("DELETE", _PROJECT_PATH)
def reset_project_trainer(emulator: Emulator, project_id: ProjectId) -> None:
    projects.get(emulator, project_id)
    emulator.trainers.choose(project_id, None)


def _of_project(emulator: Context, project_id: str) -> shapes.ProjectTrainer:
    own = emulator.trainers.own(project_id)
    return shapes.ProjectTrainer(
        trainer=emulator.trainers.of(project_id),
        is_default=own is None,
        instant_iterations=instant_iterations(emulator, project_id),
    )
