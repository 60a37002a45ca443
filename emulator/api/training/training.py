"""TrainProject."""

from emulator.api import responses as shapes
from emulator.api.calls import Call, handles
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.training import request as training
from emulator.core.training.request import TRAINING_TYPES, TrainingRequest

_BODY_SINCE = (3, 2)
_BASE_MODEL_SINCE = (3, 4)


@handles("TrainProject")
def train_project(call: Call) -> models.Iteration:
    body = requests.TrainingParameters()
    if call.version.number >= _BODY_SINCE:
        body = call.parsed_or(requests.TrainingParameters, body)
    base = body.custom_base_model_info if call.version.number >= _BASE_MODEL_SINCE else None
    request = TrainingRequest(
        training_type=call.choice("trainingType", TRAINING_TYPES, "Regular"),
        reserved_budget_in_hours=call.integer("reservedBudgetInHours", 0),
        force_train=call.flag("forceTrain"),
        notification_email_address=call.text("notificationEmailAddress"),
        selected_tags=tuple(dict.fromkeys(body.selected_tags or ())),
        custom_base_model=(base.project_id, base.iteration_id) if base else None,
    )
    return shapes.iteration(training.request_training(call.context, call.id("projectId"), request))
