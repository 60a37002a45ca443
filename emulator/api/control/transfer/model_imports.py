"""Import of exported models, in the emulator's own API; the service has no such operation."""

from typing import Annotated

from starlette.responses import JSONResponse, Response

from emulator.api.dependencies import Body, Caller, Emulator
from emulator.api.parameters import flag, text
from emulator.api.routing import OperationRouter
from emulator.contract.gateway_responses import guid
from emulator.core.iterations.import_model import Publication, import_model
from emulator.core.rules import domains

router = OperationRouter()


@router.own("POST", "/_emulator/models", work="images")
def import_exported_model(
    emulator: Emulator,
    caller: Caller,
    export: Body,
    project: Annotated[str | None, text("project")],
    classification_type: Annotated[str | None, text("classificationType")],
    overwrite: Annotated[bool, flag("overwrite")],
    publish_name: Annotated[str | None, text("publishName")],
    prediction_id: Annotated[str | None, text("predictionId")],
    preprocessing: Annotated[str | None, text("preprocessing")],
) -> Response:
    try:
        target: dict[str, str] = {"project_id": guid(project)}
    except ValueError:
        target = {"project_name": project or ""}
    publication = None
    if publish_name is not None:
        publication = Publication(publish_name, prediction_id or "", overwrite)
    imported = import_model(
        emulator,
        export,
        **target,
        classification_type=classification_type,
        preprocessing=preprocessing,
        publication=publication,
        resource=caller.resource,
    )
    iteration = imported.iteration
    return JSONResponse(
        {
            "projectId": imported.project.id,
            "projectName": imported.project.name,
            "projectCreated": imported.created,
            "iterationId": iteration.id,
            "iterationName": iteration.name,
            "domainType": domains.get(iteration.domain_id or "").type,
            "classificationType": iteration.classification_type,
            "publishName": iteration.publish_name,
            "tags": [{"id": tag["id"], "name": tag["name"]} for tag in iteration.model_tags or ()],
        }
    )
