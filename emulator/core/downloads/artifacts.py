"""Artifacts: files by the path of their signed URI, for clients that cannot reach the storage itself."""

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.downloads import images
from emulator.core.errors import ServiceError
from emulator.core.exports import request as exports

_LONGEST_PATH = 256


def get(context: Context, project_id: str, path: str) -> bytes:
    """The bytes at the path of an image of this project, of a stored prediction or of an export of it.

    The path may lack its leading slash. Raises ServiceError when there is none in this project.
    """
    with context.database.read() as session:
        lookup.project(session, project_id)
    short = path[:_LONGEST_PATH]
    if not short.startswith("/"):
        short = f"/{short}"
    export = exports.open_file(context, short, project_id)
    if export is not None:
        return export.path.read_bytes()
    parsed = images.parse_path(short.lower())
    if parsed is None or parsed.project_id != project_id or len(path) > _LONGEST_PATH:
        raise ServiceError(
            "BadRequestInvalidArtifactUri",
            f"'{path[:100]}' is no path of an artifact of this project, as /i-<project>/i-<image> is.",
        )
    image = images.read_image(context, parsed)
    if image is None:
        raise ServiceError("NotFoundImage", "Artifact not found")
    return image.data
