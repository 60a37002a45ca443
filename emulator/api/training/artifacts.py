"""GetArtifact."""

from emulator.api.calls import Binary, Call, handles
from emulator.core.downloads import artifacts


@handles("GetArtifact")
def get_artifact(call: Call) -> Binary:
    return Binary(artifacts.get(call.context, call.id("projectId"), call.required_text("path")))
