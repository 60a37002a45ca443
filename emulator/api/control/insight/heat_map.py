"""Where in an image a model finds the reasons for a tag, in the emulator's own API."""

from base64 import b64encode
from typing import Annotated

from emulator.api import responses
from emulator.api.dependencies import Emulator, IterationId, ProjectId, UploadedImage
from emulator.api.parameters import guid
from emulator.api.routing import OperationRouter
from emulator.contract.control import insight as shapes
from emulator.core.insight import heat_map
from emulator.core.insight.heat_map import MappedTag

router = OperationRouter()

_HEAT_MAP = "/_emulator/projects/{projectId}/iterations/{iterationId}/heatMap"
_TagId = Annotated[str | None, guid("tagId")]


@router.own("GET", _HEAT_MAP, work="images")
def get_heat_map(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: IterationId,
    image_id: Annotated[str | None, guid("imageId")],
    prediction_id: Annotated[str | None, guid("predictionId")],
    tag_id: _TagId,
) -> shapes.HeatMap:
    found = heat_map.of_stored(emulator, project_id, iteration_id, image_id, prediction_id, tag_id)
    return _shown(found)


@router.own("POST", _HEAT_MAP, work="images")
def create_heat_map(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: IterationId,
    tag_id: _TagId,
    image: UploadedImage,
) -> shapes.HeatMap:
    return _shown(heat_map.of_upload(emulator, project_id, iteration_id, image, tag_id))


def _shown(found: MappedTag) -> shapes.HeatMap:
    made = found.heat_map
    return shapes.HeatMap(
        iteration_id=found.iteration.id,
        tag_id=found.tag_id,
        tag_name=found.tag_name,
        probability=made.probability,
        method=made.method,
        width=made.width,
        height=made.height,
        bounding_box=responses.bounding_box(made.region),
        rows=made.values_HW.shape[0],
        columns=made.values_HW.shape[1],
        values=made.values_HW.tolist(),
        overlay=b64encode(found.overlay).decode("ascii"),
    )
