"""The contract as tests use it: rendered documents, and a validator of responses.

`ContractValidator.check` takes one response from any client and describes each contradiction to the
document of the version in its URL. It does not depend on the emulator.
"""

import importlib.util
import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

API_SPEC = Path(__file__).resolve().parents[2] / "api_spec"
METHODS = ("get", "put", "post", "delete", "patch")

Schema = dict[str, Any]

_JSON = "application/json"
_MISDIRECTED = 421


def _load_renderer() -> Any:
    """`api_spec/render.py`, which is a script beside its data and in no package."""
    found = importlib.util.spec_from_file_location("api_spec_render", API_SPEC / "render.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


renderer = _load_renderer()
render: Callable[[str, str], dict[str, Any]] = renderer.render
VERSIONS: dict[str, tuple[str, ...]] = renderer.VERSIONS


class Written(float):
    """A float with its original text."""

    text: str

    def __new__(cls, text: str) -> Self:
        value = super().__new__(cls, text)
        value.text = text
        return value


@dataclass(frozen=True)
class DocumentedResponse:
    """One documented response: schemas by media type (None: any bytes), and the schemas of its headers."""

    schemas: dict[str, Schema | None]
    validators: dict[str, Draft202012Validator]
    headers: dict[str, Draft202012Validator]
    lists_headers: bool


@dataclass(frozen=True)
class Operation:
    """One operation of one version and its responses, by status or "default"."""

    name: str
    method: str
    path: re.Pattern[str]
    responses: dict[str, DocumentedResponse]
    id_is_request_id: bool

    def is_for(self, method: str, path: str) -> bool:
        return self.method == method.upper() and self.path.fullmatch(path) is not None


class ContractValidator:
    """Validates responses. Documents and validators are compiled once for the process.

    `kept` is called with the API, its version and the operation of each valid successful response.
    """

    def __init__(self, kept: Callable[[str, str, str], None] = lambda api, version, operation: None) -> None:
        self._kept = kept

    _API = re.compile(r"/+customvision/v([^/]+)/(training|prediction)(/.*)?", re.IGNORECASE)

    def check(
        self,
        method: str,
        path_with_query: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        request_id: str | None = None,
    ) -> list[str]:
        """The violations of the contract in a response, one line each.

        `path_with_query` is raw (percent-encoded), as sent; an absolute URL is accepted too.
        `request_id` is the expected id of the response, if known. HEAD requests and paths that
        belong neither to the service nor to the emulator are not validated.
        """
        if method.upper() == "HEAD":
            return []
        path = _path_of(path_with_query)
        label = f"{method} {path_with_query} -> {status}"
        lower = {name.lower(): value for name, value in headers.items()}
        api = self._API.fullmatch(path)
        operations: tuple[Operation, ...] = ()
        version = None
        if api:
            version = _served(api[2].lower(), api[1])
            if version is not None:
                operations = _operations(api[2].lower(), version)
            path = (api[3] or "").rstrip("/")
        elif path.startswith(("/_emulator/", "/m-", "/prjexp-", "/i-", "/predictionimages/")):
            operations = _operations("emulator", VERSIONS["emulator"][-1])
        else:
            return []
        operation = next((item for item in operations if item.is_for(method, path)), None)
        # The check of the Host header precedes every operation, and the service has none.
        if operation is None or status == _MISDIRECTED:
            problems = list(_unrouted(status, lower, body, is_retired=not operations))
        else:
            label = f"{operation.name}: {label}"
            problems = list(_judge(operation, status, lower, body, bool(api), request_id))
            if api and version is not None and status < 400 and not problems:
                self._kept(api[2].lower(), version, operation.name)
        return [f"{label}: {problem}" for problem in problems]


def _path_of(url: str) -> str:
    path = urlsplit(url).path if "://" in url else url.partition("?")[0].partition("#")[0]
    return re.sub("/{2,}", "/", path)  # repeated slashes count once


_OLDEST_MAJOR = 3


@cache
def _served(api: str, version: str) -> str | None:
    """The version whose document applies to `version`: itself, or else the newest older one.

    None for versions before the oldest and for text that is not a version.
    """
    known = VERSIONS[api]
    if version.lower() in known:
        return version.lower()
    match = re.match(r"(\d+)(?:\.(\d+))?", version)
    if match is None or int(match[1]) < _OLDEST_MAJOR:
        return None
    number = (int(match[1]), int(match[2] or 0))
    older = [name for name in known if tuple(map(int, name.partition("-")[0].split("."))) <= number]
    return older[-1] if older else known[0]


def operations_of(api: str, version: str) -> set[str]:
    """The names of the operations that a version of an API has."""
    return {operation.name for operation in _operations(api, version)}


@cache
def _operations(api: str, version: str) -> tuple[Operation, ...]:
    """All operations of a version; those with more literal text in their paths come first."""
    document = render(api, version)
    found = [
        Operation(
            name=operation["operationId"],
            method=method.upper(),
            path=_pattern(path),
            responses={
                status: _documented_response(_resolved(response, document), document)
                for status, response in operation["responses"].items()
            },
            id_is_request_id=operation.get("x-id-is-request-id", False),
        )
        for path, item in sorted(document["paths"].items(), key=lambda entry: -len(_literal(entry[0])))
        for method, operation in item.items()
        if method in METHODS
    ]
    return tuple(found)


def _literal(path: str) -> str:
    return re.sub(r"{\w+}", "", path)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"({\w+})", path)
    # A published name may contain slashes; every other parameter is at most one segment.
    text = "".join(
        (".+" if part == "{publishedName}" else "[^/]+") if part.startswith("{") else re.escape(part)
        for part in parts
    )
    return re.compile(text, re.IGNORECASE)


def _documented_response(response: dict[str, Any], document: dict[str, Any]) -> DocumentedResponse:
    schemas = {
        media_type: _plain(content["schema"], document) if "schema" in content else None
        for media_type, content in response.get("content", {}).items()
    }
    headers = {
        name.lower(): _resolved(header, document)["schema"]
        for name, header in response.get("headers", {}).items()
    }
    return DocumentedResponse(
        schemas=schemas,
        validators={
            kind: Draft202012Validator(schema) for kind, schema in schemas.items() if schema is not None
        },
        headers={name: Draft202012Validator(_plain(schema, document)) for name, schema in headers.items()},
        lists_headers="headers" in response,
    )


def _resolved(node: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    kind, _, name = node["$ref"].removeprefix("#/components/").partition("/")
    resolved: dict[str, Any] = document["components"][kind][name]
    return {**resolved, **{key: value for key, value in node.items() if key != "$ref"}}


def _plain(schema: Any, document: dict[str, Any]) -> Any:
    """`schema` without references and allOf; "this or null" becomes a condition for clearer errors."""
    if isinstance(schema, list):
        return [_plain(item, document) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value, document) for key, value in _resolved(schema, document).items()}
    for part in plain.pop("allOf", []):
        plain = _merged(part, plain) if "properties" not in plain else _merged(plain, part)
    alternatives = plain.get("oneOf", [])
    if len(alternatives) == 2 and alternatives[1] == {"type": "null"}:
        del plain["oneOf"]
        plain |= {"if": {"type": "null"}, "else": alternatives[0]}
    return plain


def _merged(wide: Schema, narrow: Schema) -> Schema:
    """`wide` restricted by `narrow`; properties keep the order of `wide`."""
    result = dict(wide)
    for key, value in narrow.items():
        mine = result.get(key)
        result[key] = _merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return result


def _unrouted(status: int, headers: dict[str, str], body: bytes, *, is_retired: bool) -> Iterator[str]:
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
    document = render("training", VERSIONS["training"][-1])
    schema = _plain({"$ref": f"#/components/schemas/{shape}"}, document)
    documented = DocumentedResponse(
        {_JSON: schema}, {_JSON: Draft202012Validator(schema)}, {}, lists_headers=False
    )
    yield from _content(documented, headers, body)


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


# Longer enumerations are counted in messages instead of listed.
_VALUES_SHOWN = 20
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def _content(
    documented: DocumentedResponse, headers: dict[str, str], body: bytes, is_service: bool = True
) -> Iterator[str]:
    media_type = headers.get("content-type", "")
    others = [one for one in documented.schemas if one != _JSON]
    if any(_covers(one, media_type) for one in others):
        return
    if _JSON not in documented.schemas:
        yield f"Content-Type is {media_type!r}, documented: {', '.join(others)}"
        return
    if media_type.lower() != f"{_JSON}; charset=utf-8" and (is_service or media_type.lower() != _JSON):
        yield f"Content-Type is {media_type!r} instead of '{_JSON}; charset=utf-8'"
    repeated: list[str] = []
    try:
        value = json.loads(
            body, parse_float=Written, parse_constant=_refused, object_pairs_hook=_object_noting(repeated)
        )
    except ValueError as error:
        yield f"the body is not JSON: {error}"
        return
    yield from repeated
    if re.search(rb"\s", _STRING.sub(b'""', body)):
        yield "the JSON is not compact"
    for problem in documented.validators[_JSON].iter_errors(value):
        best = best_match([problem]) or problem
        yield f"{best.json_path}: {_said(best)}"
    schema = documented.schemas[_JSON]
    if schema is not None:
        yield from _shape(schema, value, "$")


def _said(error: ValidationError) -> str:
    """The message of `error`, without long enumerations."""
    values = error.validator_value
    if error.validator == "enum" and isinstance(values, list) and len(values) > _VALUES_SHOWN:
        return f"{error.instance!r} is none of the {len(values)} values of this version"
    return error.message[:300]


def _covers(documented: str, media_type: str) -> bool:
    if documented == "*/*":
        return True
    kind = media_type.partition(";")[0].strip().lower()
    return kind == documented or (documented.endswith("/*") and kind.startswith(documented[:-1]))


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _object_noting(repeated: list[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs):
            repeated.append(f"an object has a property twice: {', '.join(key for key, _ in pairs)}")
        return built

    return build


def _shape(schema: Schema, value: Any, where: str) -> Iterator[str]:
    """Rules that JSON Schema can't express: order of properties, undocumented ones, format of numbers."""
    if "else" in schema:
        schema = {} if value is None else schema["else"]
    elif "oneOf" in schema and isinstance(value, dict):
        # Error of the service or the gateway: the documented shape with the first property of the response.
        first = next(iter(value), None)
        candidates = [item for item in schema["oneOf"] if first in item.get("properties", {})]
        schema = candidates[0] if candidates else {}
    if isinstance(value, dict):
        yield from _object(schema, value, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _shape(schema.get("items", {}), item, f"{where}[{index}]")
    elif schema.get("format") in _DIGITS and isinstance(value, (int, float)):
        yield from _number(schema["format"], value, where)


def _object(schema: Schema, value: dict[str, Any], where: str) -> Iterator[str]:
    properties: dict[str, Schema] = schema.get("properties", {})
    more = schema.get("additionalProperties")
    sent = [key for key in value if key in properties]
    expected = [key for key in properties if key in value]
    if sent != expected:
        yield f"{where}: properties in the order {', '.join(sent)}; documented {', '.join(expected)}"
    for key, item in value.items():
        if key in properties:
            yield from _shape(properties[key], item, f"{where}.{key}")
        elif isinstance(more, dict):
            yield from _shape(more, item, f"{where}.{key}")
        elif schema:
            yield f"{where}.{key} is not documented"


# The most significant digits that .NET writes for a value to be read back exactly.
_DIGITS = {"float": 9, "double": 17}
_NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?(?:E[+-]\d{2,3})?")


def _number(kind: str, value: float, where: str) -> Iterator[str]:
    if not isinstance(value, Written):
        yield f"{where}: {value} is written without a decimal point"
        return
    match = _NUMBER.fullmatch(value.text)
    if match is None:
        yield f"{where}: {value.text} is not written as the service writes numbers"
        return
    digits = (match[1] + (match[2] or "")).lstrip("0")
    if len(digits) > _DIGITS[kind]:
        yield f"{where}: {value.text} has more digits than a {kind}"
    elif kind == "float" and value and not struct.unpack("<f", struct.pack("<f", value))[0]:
        yield f"{where}: {value.text} is no {kind}"
