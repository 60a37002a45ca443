"""Roll-outs of published names in the emulator's own API.

Names are in bodies and queries: they may have slashes, with which paths would not match.
"""

from typing import Annotated

from emulator.api.dependencies import Emulator, ProjectId, json_body
from emulator.api.parameters import text
from emulator.api.routing import OperationRouter, Result
from emulator.contract.control import rollouts as shapes
from emulator.core.errors import ServiceError
from emulator.core.rollout_counts import ModelFigures
from emulator.core.rollouts import manage
from emulator.core.rollouts.manage import ListedName, ListedRollout
from emulator.store.rollout_tables import RolloutMode
from emulator.store.tables import Iteration

router = OperationRouter()

_PATH = "/_emulator/projects/{projectId}/rollouts"


@router.own("GET", _PATH)
def get_rollouts(
    emulator: Emulator, project_id: ProjectId, name: Annotated[str | None, text("publishName")]
) -> list[shapes.PublishedName]:
    return [_shown(item) for item in manage.list_names(emulator, project_id, name)]


@router.own("POST", _PATH)
def start_rollout(
    emulator: Emulator,
    project_id: ProjectId,
    body: Annotated[shapes.NewRollout, json_body(shapes.NewRollout)],
) -> Result:
    mode = _mode(body.mode, body.percent)
    started = manage.start(
        emulator, project_id, body.publish_name, body.iteration_id, mode=mode, percent=body.percent
    )
    return Result(_shown(started), 201)


@router.own("PATCH", _PATH)
def change_rollout(
    emulator: Emulator,
    project_id: ProjectId,
    body: Annotated[shapes.ChangedRollout, json_body(shapes.ChangedRollout)],
) -> shapes.PublishedName:
    if body.mode is None and body.percent is None:
        raise ServiceError("BadRequest", "The request body has neither mode nor percent.")
    mode = _mode(body.mode, body.percent)
    return _shown(manage.change(emulator, project_id, body.publish_name, mode, body.percent))


@router.own("POST", f"{_PATH}/finish")
def finish_rollout(
    emulator: Emulator,
    project_id: ProjectId,
    body: Annotated[shapes.FinishedRollout, json_body(shapes.FinishedRollout)],
) -> shapes.PublishedName:
    return _shown(manage.finish(emulator, project_id, body.publish_name))


@router.own("POST", f"{_PATH}/back")
def go_back(
    emulator: Emulator,
    project_id: ProjectId,
    body: Annotated[shapes.WayBack, json_body(shapes.WayBack)],
) -> shapes.PublishedName:
    return _shown(manage.back(emulator, project_id, body.publish_name, replacing=body.iteration_id))


def _mode(mode: shapes.Mode | None, percent: float | None) -> RolloutMode:
    if mode is not None:
        return RolloutMode(mode)
    return RolloutMode.SHADOW if percent is None else RolloutMode.PERCENTAGE


def _shown(item: ListedName) -> shapes.PublishedName:
    return shapes.PublishedName(
        publish_name=item.name,
        iteration=_named(item.published),
        former_iteration=_named(item.former),
        rollout=None if item.rollout is None else _rollout(item.rollout),
    )


def _named(row: Iteration | None) -> shapes.NamedIteration | None:
    return None if row is None else shapes.NamedIteration(id=row.id, name=row.name)


def _rollout(item: ListedRollout) -> shapes.Rollout:
    row, figures = item.row, item.figures
    return shapes.Rollout(
        id=row.id,
        status=row.status,
        mode=row.mode,
        percent=row.percent,
        started=row.started,
        last_modified=row.last_modified,
        ended=row.ended,
        current=_side(row.current_id, item.current, figures.current),
        candidate=_side(row.candidate_id, item.candidate, figures.candidate),
        comparison=shapes.RolloutComparison(
            image_count=figures.compared,
            agreed_image_count=figures.agreed,
            agreement=figures.agreed / figures.compared if figures.compared else None,
            matched_box_count=figures.matched_boxes,
            current_box_count=figures.current_boxes,
            candidate_box_count=figures.candidate_boxes,
            dropped_image_count=figures.dropped,
        ),
    )


def _side(iteration_id: str, row: Iteration | None, figures: ModelFigures) -> shapes.RolloutSide:
    count = figures.predictions
    return shapes.RolloutSide(
        iteration_id=iteration_id,
        iteration_name=None if row is None else row.name,
        prediction_count=count,
        failure_count=figures.failures,
        mean_confidence=figures.confidence / figures.confident if figures.confident else None,
        mean_milliseconds=1000 * figures.seconds / count if count else None,
        max_milliseconds=1000 * figures.most_seconds if count else None,
    )
