"""Images and thumbnails by signed URI, without a key, for browsers and labelling tools."""

from starlette.responses import Response

from emulator.api.dependencies import Emulator
from emulator.api.downloads.links import SignatureOfLink, SignedPath, not_found
from emulator.api.routing import OperationRouter
from emulator.core.downloads import images
from emulator.gateway.errors import UnknownResource

router = OperationRouter()


@router.own("GET", "/predictionimages/{project}/{blob}", work="images")
@router.own("GET", "/{container}/{blob}", work="images")
def image(emulator: Emulator, path: SignedPath, link: SignatureOfLink) -> Response:
    if images.parse_path(path) is None:
        raise UnknownResource
    found = images.open_signed(emulator, path, link.signature, link.expires)
    if found is None:
        return not_found()
    modified = found.created.strftime("%a, %d %b %Y %H:%M:%S GMT")
    # The bytes behind a URI never change; browsers that show a list again need not request them again.
    seconds = int(emulator.image_uri_lifetime.total_seconds())
    headers = {"Last-Modified": modified, "Cache-Control": f"private, max-age={seconds}, immutable"}
    return Response(found.data, media_type=found.media_type, headers=headers)
