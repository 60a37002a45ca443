"""TrainProject."""

from typing import Annotated

from emulator.api import responses
from emulator.api.dependencies import ApiVersion, Emulator, ProjectId, json_body
from emulator.api.parameters import choice, flag, integer, text
from emulator.api.routing import OperationRouter
from emulator.contract import requests
from emulator.contract import responses as shapes
from emulator.core.training import request as training
from emulator.core.training.request import TRAINING_TYPES, TrainingRequest

router = OperationRouter()


@router.operation("TrainProject")
def train_project(
    emulator: Emulator,
    version: ApiVersion,
    body: Annotated[requests.TrainingParameters, json_body(requests.TrainingParameters, optional=True)],
    training_type: Annotated[str, choice("trainingType", TRAINING_TYPES, "Regular")],
    reserved_budget_in_hours: Annotated[int, integer("reservedBudgetInHours", 0)],
    force_train: Annotated[bool, flag("forceTrain")],
    notification_email_address: Annotated[str | None, text("notificationEmailAddress")],
    project_id: ProjectId,
) -> shapes.Iteration:
    base = body.custom_base_model_info
    request = TrainingRequest(
        training_type=training_type,
        reserved_budget_in_hours=reserved_budget_in_hours,
        force_train=force_train,
        notification_email_address=notification_email_address,
        selected_tags=tuple(dict.fromkeys(body.selected_tags or ())),
        custom_base_model=(base.project_id, base.iteration_id) if base else None,
    )
    return responses.iteration(version, training.request_training(emulator, project_id, request))
