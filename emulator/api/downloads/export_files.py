"""Files of exports by signed URI, without a key."""

from starlette.responses import FileResponse, Response

from emulator.api.dependencies import Emulator
from emulator.api.downloads.links import SignatureOfLink, SignedPath, not_found
from emulator.api.routing import OperationRouter
from emulator.core.exports import request as exports
from emulator.gateway.errors import UnknownResource

router = OperationRouter()


@router.own("GET", "/m-{project}/{file}")
def export_file(emulator: Emulator, path: SignedPath, link: SignatureOfLink) -> Response:
    if not exports.is_path(path):
        raise UnknownResource
    found = exports.open_signed(emulator, path, link.signature, link.expires)
    if found is None:
        return not_found()
    return FileResponse(found.path, media_type="application/octet-stream", filename=found.name)
