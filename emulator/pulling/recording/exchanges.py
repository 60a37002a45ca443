"""A request to the service with its response, as far as state follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from emulator.contract.form_data import FormDataUnreadable, parts
from emulator.contract.matching import api_path, operation_at, parameters_of
from emulator.contract.versions import Api

_SUCCESS = range(200, 300)


@dataclass(frozen=True)
class Exchange:
    """A call that succeeded.

    Attributes:
        operation: its name in the contract.
        path: values of the path's parameters, such as ``projectId``.
        query: first values by names in lower case.
        sent: the JSON of the request; None where it has none.
        response: the JSON of the response; None where it has none.
        image: the bytes of the image that a prediction was requested for; empty for others.
    """

    operation: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    sent: Any = None
    response: Any = None
    image: bytes = field(default=b"", repr=False)

    @property
    def project_id(self) -> str | None:
        return self.path.get("projectId")

    def listed(self, name: str) -> list[str]:
        """The values of a parameter that is a list, such as ``tagIds``."""
        return [
            value.strip().lower() for value in self.query.get(name.lower(), "").split(",") if value.strip()
        ]


def exchange_of(
    *,
    method: str,
    api: Api,
    path: str,
    query: str,
    status: int,
    request: bytes,
    content_type: str,
    response: bytes,
) -> Exchange | None:
    """The exchange of a call; None when nothing follows from it: it failed, or is no operation.

    Args:
        path: below version and API, in the form of the routes.
        content_type: of the request.
        response: the decoded body.
    """
    operation = operation_at(api, method, path)
    if operation is None or status not in _SUCCESS:
        return None
    values: dict[str, str] = {}
    for name, value in parse_qsl(query):
        values.setdefault(name.lower(), value)
    is_image = operation.body_kind == "image"
    return Exchange(
        operation=operation.name,
        path=parameters_of(operation, path),
        query=values,
        sent=None if operation.body_kind != "text" else _json(request),
        response=_json(response),
        image=_image(request, content_type) if is_image else b"",
    )


def exchange_of_url(
    *, method: str, url: str, status: int, request: bytes, content_type: str, response: bytes
) -> Exchange | None:
    """The same for a whole URL."""
    try:
        parsed = urlsplit(url)
    except ValueError:
        return None
    found = api_path(unquote(parsed.path))
    if found is None:
        return None
    return exchange_of(
        method=method.upper(),
        api=found.api,
        path=found.path,
        query=parsed.query,
        status=status,
        request=request,
        content_type=content_type,
        response=response,
    )


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None


def _image(body: bytes, content_type: str) -> bytes:
    if not content_type.lower().startswith("multipart/form-data"):
        return body
    try:
        found = parts(content_type, body)
    except FormDataUnreadable:
        return b""
    return found[0].data if found else b""
