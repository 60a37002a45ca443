"""The validator of responses: each contradiction to the document of the version in the URL, as a line.

It takes a response of any client and does not depend on the routes and shapes of the emulator.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

from emulator.contract.validation.documents import JSON, DocumentedResponse, Documents, Operation
from emulator.contract.validation.json_rules import (
    Written,
    object_noting,
    refuse_constant,
    schema_problems,
    shape_problems,
)

API_PATH = re.compile(r"/+customvision/v([^/]+)/(training|prediction)(/.*)?", re.IGNORECASE)
_OWN_PATHS = ("/_emulator/", "/m-", "/prjexp-", "/i-", "/predictionimages/")
# The one path of the portal that is no page and no file.
_SESSION = "/portal/session"
_MISDIRECTED = 421
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


class ResponseValidator:
    """Validates responses.

    `kept` is called with the API, its version and the operation of each valid successful response.
    """

    def __init__(
        self,
        documents: Documents,
        kept: Callable[[str, str, str], None] = lambda api, version, operation: None,
    ) -> None:
        self._documents = documents
        self._kept = kept

    def check(
        self,
        method: str,
        path_with_query: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        request_id: str | None = None,
    ) -> list[str]:
        """The violations of the contract in a response, one line each, with operation and request.

        `path_with_query` is raw (percent-encoded), as sent; an absolute URL is accepted too.
        `request_id` is the expected id of the response, if known. HEAD requests and paths that
        belong neither to the service nor to the emulator are not validated.
        """
        name, problems = self.problems(method, path_with_query, status, headers, body, request_id)
        label = f"{f'{name}: ' if name else ''}{method} {path_with_query} -> {status}"
        return [f"{label}: {problem}" for problem in problems]

    def problems(
        self,
        method: str,
        path_with_query: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        request_id: str | None = None,
    ) -> tuple[str, list[str]]:
        """The operation, empty if there is none, and the violations; arguments as for `check`."""
        if method.upper() == "HEAD":
            return "", []
        path = path_of(path_with_query)
        lower = {name.lower(): value for name, value in headers.items()}
        api = API_PATH.fullmatch(path)
        operations: tuple[Operation, ...] = ()
        version = None
        if api:
            version = self._documents.served(api[2].lower(), api[1])
            if version is not None:
                operations = self._documents.operations(api[2].lower(), version)
            path = (api[3] or "").rstrip("/")
        elif path.startswith(_OWN_PATHS) or path == _SESSION:
            operations = self._documents.operations("emulator", self._documents.versions["emulator"][-1])
        else:
            return "", []
        operation = next((item for item in operations if item.is_for(method, path)), None)
        # The check of the Host header precedes every operation, and the service has none.
        if operation is None or status == _MISDIRECTED:
            return "", list(self._unrouted(status, lower, body, is_retired=not operations))
        problems = list(_judge(operation, status, lower, body, bool(api), request_id))
        if api and version is not None and status < 400 and not problems:
            self._kept(api[2].lower(), version, operation.name)
        return operation.name, problems

    def _unrouted(
        self, status: int, headers: dict[str, str], body: bytes, *, is_retired: bool
    ) -> Iterator[str]:
        """The rules for paths that match no operation of the version: the gateway responds.

        `is_retired`: no document applies to the version, which the service may report too.
        """
        if is_retired and status == 400:
            shape = "CustomVisionError"
        elif status in (401, 404, 413, _MISDIRECTED, 429):
            shape = "GatewayError"
        else:
            yield f"no operation of this version; expected the gateway's 404 instead of {status}"
            return
        schema = self._documents.schema(shape)
        documented = DocumentedResponse(
            {JSON: schema}, {JSON: Draft202012Validator(schema)}, {}, lists_headers=False
        )
        yield from _content(documented, headers, body)


def path_of(url: str) -> str:
    """The path of a URL or of a path with a query; repeated slashes count once."""
    path = urlsplit(url).path if "://" in url else url.partition("?")[0].partition("#")[0]
    return re.sub("/{2,}", "/", path)


def _judge(
    operation: Operation,
    status: int,
    headers: dict[str, str],
    body: bytes,
    is_service: bool,
    request_id: str | None,
) -> Iterator[str]:
    documented = operation.responses.get(str(status))
    if documented is None and status >= 500:
        documented = operation.responses.get("default")
    if documented is None:
        yield f"status {status} is not documented; {', '.join(operation.responses)} are"
        return
    length = headers.get("content-length")
    if length is not None and length != str(len(body)):
        yield f"Content-Length is {length}, the body has {len(body)} bytes"
    if is_service and length is None:
        yield "Content-Length is missing"
    yield from _headers(documented, headers)
    if request_id is not None and headers.get("apim-request-id") != request_id:
        yield f"apim-request-id is {headers.get('apim-request-id')}, expected {request_id}"
    if not documented.schemas:
        if body:
            yield f"a body of {len(body)} bytes where none is documented"
        if "content-type" in headers:
            yield f"Content-Type {headers['content-type']} without a body"
        return
    yield from _content(documented, headers, body, is_service)
    if operation.id_is_request_id and status == 200:
        found = re.match(rb'\{"id":"([^"]*)"', body)
        if found and found[1].decode() != headers.get("apim-request-id"):
            yield f"id {found[1].decode()} is not the apim-request-id {headers.get('apim-request-id')}"


def _headers(documented: DocumentedResponse, headers: dict[str, str]) -> Iterator[str]:
    for name, validator in documented.headers.items():
        if name not in headers:
            yield f"header {name} is missing"
            continue
        for error in validator.iter_errors(headers[name]):
            yield f"header {name}: {error.message}"
    if documented.lists_headers and "apim-request-id" in documented.headers:
        if "request-id" not in documented.headers and "request-id" in headers:
            yield "header request-id: this version has none"
        elif "request-id" in documented.headers and headers.get("request-id") != headers.get(
            "apim-request-id"
        ):
            yield "header request-id differs from apim-request-id"


def _content(
    documented: DocumentedResponse, headers: dict[str, str], body: bytes, is_service: bool = True
) -> Iterator[str]:
    media_type = headers.get("content-type", "")
    others = [one for one in documented.schemas if one != JSON]
    if any(_covers(one, media_type) for one in others):
        return
    if JSON not in documented.schemas:
        yield f"Content-Type is {media_type!r}, documented: {', '.join(others)}"
        return
    if media_type.lower() != f"{JSON}; charset=utf-8" and (is_service or media_type.lower() != JSON):
        yield f"Content-Type is {media_type!r} instead of '{JSON}; charset=utf-8'"
    repeated: list[str] = []
    try:
        value = json.loads(
            body,
            parse_float=Written,
            parse_constant=refuse_constant,
            object_pairs_hook=object_noting(repeated),
        )
    except ValueError as error:
        yield f"the body is not JSON: {error}"
        return
    yield from repeated
    if re.search(rb"\s", _STRING.sub(b'""', body)):
        yield "the JSON is not compact"
    yield from schema_problems(documented.validators[JSON], value)
    schema = documented.schemas[JSON]
    if schema is not None:
        yield from shape_problems(schema, value)


def _covers(documented: str, media_type: str) -> bool:
    if documented == "*/*":
        return True
    kind = media_type.partition(";")[0].strip().lower()
    return kind == documented or (documented.endswith("/*") and kind.startswith(documented[:-1]))
