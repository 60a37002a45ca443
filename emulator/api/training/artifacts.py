"""GetArtifact."""

from typing import Annotated

from emulator.api.dependencies import Emulator, ProjectId
from emulator.api.parameters import required_text
from emulator.api.routing import Binary, OperationRouter
from emulator.core.downloads import artifacts

router = OperationRouter()


@router.operation("GetArtifact", work="images")
def get_artifact(
    emulator: Emulator, project_id: ProjectId, path: Annotated[str, required_text("path")]
) -> Binary:
    return Binary(artifacts.get(emulator, project_id, path))
