"""``Annotated`` dependencies of endpoints, with the errors of the service. Query parameters: `parameters`.

Dependencies are coroutines, since FastAPI would run a plain function in a thread. Large bodies are parsed in
the threads of the server.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from emulator.api.access import check_access, permits_all
from emulator.api.responses import Links
from emulator.api.threads import in_thread
from emulator.contract import requests, version_differences
from emulator.contract.form_data import Part
from emulator.contract.gateway_responses import guid
from emulator.contract.operations import BY_NAME
from emulator.contract.test_kit.strict_body import parse_strictly
from emulator.contract.versions import VERSIONS, Version
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images.sources import FromUrl, NoImage
from emulator.core.rules.access import Access
from emulator.core.rules.limits import IMAGE_BODY_BYTES, MEGABYTE, TEXT_BODY_BYTES
from emulator.gateway.bodies import form_parts, media_type, no_image, read_body
from emulator.gateway.errors import UnknownResource
from emulator.vision.imaging.work_limits import is_costly

_Result = TypeVar("_Result")
# A body up to this size is parsed without a thread, which would take longer than the parsing of most.
_SMALL_BODY_BYTES = 16384
# The parsing of a body above this size takes as long as the work on images.
_LARGE_BODY_BYTES = MEGABYTE
_BODY_BYTES = {"text": TEXT_BODY_BYTES, "image": IMAGE_BODY_BYTES}


def version_of(request: Request) -> Version:
    """The version that serves a request; the control API uses the shapes of the newest one."""
    address = request.scope.get("address")
    return address.version if address else VERSIONS["training"][-1]


async def admit(request: Request) -> None:
    """Check that the version has the operation, that the key permits it in the project of the path, and that
    the pricing tier allows the call; read the body.

    Raises UnknownResource, TooLarge, the errors of `access.check` and those of `emulator.core.quotas`.
    """
    operation = BY_NAME[request.scope["route"].name]
    if not operation.exists_in(version_of(request)):
        raise UnknownResource(f"version {version_of(request)} has no operation {operation.name}")
    access: Access = request.scope["access"]
    if not permits_all(request, access):
        await check_access(request, access, operation.data_action)
    quotas = request.app.state.quotas
    quotas.admit(operation.call_kind, access.resource)
    await _body(request)
    if operation.api == "prediction" and quotas.has_monthly_limit(access.resource):
        await in_thread(request, quotas.check_month, access.resource)


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def _version(request: Request) -> Version:
    return version_of(request)


async def _base_url(request: Request) -> str:
    """Scheme and host of the server as the client knows it: all links in responses begin with it.

    Pages of the portal show images of their own origin only, whatever the public URL is.
    """
    state = request.app.state
    public_url = None if "portal" in request.scope else state.public_url
    base_url: str = public_url or state.proxies.base_url(request.scope)
    return base_url


async def _links(request: Request) -> Links:
    return Links(request.app.state.context, await _base_url(request))


async def _prediction_id(request: Request) -> str:
    """The id of a prediction, which is that of its request too."""
    context: Context = request.app.state.context
    made: str = context.ids.of_prediction(request.scope["request_id"])
    request.scope["request_id"] = made
    return made


async def _caller(request: Request) -> Access:
    access: Access = request.scope["access"]
    return access


Emulator = Annotated[Context, Depends(_context)]
Caller = Annotated[Access, Depends(_caller)]
ApiVersion = Annotated[Version, Depends(_version)]
BaseUrl = Annotated[str, Depends(_base_url)]
ImageLinks = Annotated[Links, Depends(_links)]
PredictionId = Annotated[str, Depends(_prediction_id)]


# --- ids in paths -------------------------------------------------------------------------------------------


def _path_id(name: str) -> Any:
    async def read(request: Request) -> str:
        try:
            return guid(request.path_params[name])
        except ValueError:  # no route of the service matches such a path
            raise UnknownResource(f"{name} in the path is not a GUID") from None

    return Depends(read)


async def _published_name(request: Request) -> str:
    name: str = request.path_params["publishedName"]
    return name


DomainId = Annotated[str, _path_id("domainId")]
ImageId = Annotated[str, _path_id("imageId")]
ImportId = Annotated[str, _path_id("importId")]
IterationId = Annotated[str, _path_id("iterationId")]
JobId = Annotated[str, _path_id("jobId")]
ProjectId = Annotated[str, _path_id("projectId")]
ScenarioId = Annotated[str, _path_id("scenarioId")]
ScriptId = Annotated[str, _path_id("scriptId")]
TagId = Annotated[str, _path_id("tagId")]
TestSetId = Annotated[str, _path_id("testSetId")]
PublishedName = Annotated[str, Depends(_published_name)]


# --- bodies -------------------------------------------------------------------------------------------------


async def _body(request: Request) -> bytes:
    return await _body_up_to(request, _max_body_bytes(request))


async def _body_up_to(request: Request, max_bytes: int) -> bytes:
    scope = request.scope
    if "body" not in scope:
        scope["body"] = await read_body(scope, request.receive, max_bytes)
    body: bytes = scope["body"]
    return body


def _max_body_bytes(request: Request) -> int:
    limit: int = request.app.state.max_body_bytes
    operation = BY_NAME.get(request.scope["route"].name)
    if operation is None:  # of the control API
        return limit
    return min(limit, _BODY_BYTES.get(operation.body_kind, limit))


async def parsed(request: Request, parse: Callable[..., _Result], *arguments: Any) -> _Result:
    """The result of `parse`, whose last argument is the body; in a thread unless that is small."""
    size = len(arguments[-1])
    if size <= _SMALL_BODY_BYTES:
        return parse(*arguments)
    return await in_thread(
        request, parse, *arguments, work="quick" if size <= _LARGE_BODY_BYTES else "images"
    )


Body = Annotated[bytes, Depends(_body)]


def json_body(
    shape: type[requests.Body | requests.StrictBody],
    *,
    optional: bool = False,
    error: Callable[[requests.Malformed], Exception] | None = None,
) -> Any:
    """The JSON body as `shape`, with any ``Content-Type``, without properties that the version ignores.

    The contract has the limits of bodies of the service's operations; those of the control API are limited
    like its longest ones.

    Args:
        optional: whether an empty body or ``null`` counts as an object without properties.
        error: makes the error for a body that cannot be parsed; None: Malformed is raised.
    """
    parse = parse_strictly if issubclass(shape, requests.StrictBody) else requests.parse

    async def read(request: Request) -> Any:
        body = await (_body_up_to(request, TEXT_BODY_BYTES) if parse is parse_strictly else _body(request))
        operation, version = request.scope["route"].name, version_of(request)
        if not version_differences.has_body(operation, version):
            return shape()
        if optional and body.strip() in (b"", b"null"):
            return shape()
        try:
            value = await parsed(request, parse, shape, body)
        except requests.TooManyItems:
            raise
        except requests.Malformed as malformed:
            if error is None:
                raise
            refusal = error(malformed)
            raise refusal from (None if refusal is malformed else malformed)
        request.scope["body_properties"] = value.model_fields_set  # for the counts of uses
        for path in version_differences.ignored_properties(operation, version):
            _clear(value, path)
        return value

    return Depends(read)


def _clear(value: Any, path: list[str]) -> None:
    """Set the property at a path of attributes to None."""
    *parents, name = path
    for parent in parents:
        value = getattr(value, parent)
    if value is not None:
        setattr(value, name, None)


async def uploads_in(request: Request) -> list[Part]:
    """The images of the body: a multipart form, or the bytes of one image.

    The names of form fields are ignored, as by the service: clients send ``imageData``, ``0`` and others,
    with and without a file name.
    """
    body = await _body(request)
    content_type = request.headers.get("content-type", "")
    kind = media_type(content_type)
    if kind == "multipart/form-data":
        return await parsed(request, form_parts, content_type, body)
    if kind in ("application/octet-stream", "") or kind.startswith("image/"):
        return [Part("", None, body)] if body else []
    raise ServiceError(
        "UnsupportedMediaType",
        f"The request entity's media type '{kind[:100]}' is not supported for this resource.",
    )


async def _uploaded_image(request: Request) -> bytes:
    """The first image of the body; further ones are ignored."""
    uploads = await uploads_in(request)
    if not uploads:
        raise no_image()
    data = uploads[0].data
    if is_costly(data):
        request.scope["work"] = "large image"
    return data


async def _image_url(request: Request) -> FromUrl | NoImage:
    """The image that ``{"url": ...}`` in the body refers to.

    An invalid body is an error only when the image is needed: other errors of the request precede it.
    """
    try:
        body = await _body(request)
        return FromUrl((await parsed(request, requests.parse, requests.ImageUrl, body)).url)
    except requests.Malformed as malformed:
        return NoImage(ServiceError("BadRequestImageUrl", str(malformed), malformed.detail))


UploadedImages = Annotated[list[Part], Depends(uploads_in)]
UploadedImage = Annotated[bytes, Depends(_uploaded_image)]
ImageUrl = Annotated[FromUrl | NoImage, Depends(_image_url)]
