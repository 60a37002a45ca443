"""Operations of OpenAPI documents, with compiled schemas of their parameters, bodies and responses."""

import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

Schema = dict[str, Any]
# An API and a version to its document.
Source = Callable[[str, str], dict[str, Any]]
METHODS = ("get", "put", "post", "delete", "patch")
JSON = "application/json"
_OLDEST_MAJOR = 3
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def _is_guid(value: object) -> bool:
    return not isinstance(value, str) or _GUID.fullmatch(value) is not None


_FORMATS = FormatChecker(formats=())
_FORMATS.checks("uuid")(_is_guid)


@dataclass(frozen=True)
class DocumentedResponse:
    """One documented response: schemas by media type (None: any bytes), and validators of its headers."""

    schemas: dict[str, Schema | None]
    validators: dict[str, Draft202012Validator]
    headers: dict[str, Draft202012Validator]
    lists_headers: bool


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query or path. is_list: whether its values are separated by commas."""

    name: str
    place: str
    required: bool
    type: str
    is_list: bool
    validator: Draft202012Validator


@dataclass(frozen=True)
class DocumentedBody:
    """The body of a request: schemas and validators by media type, None for those that are any bytes."""

    required: bool
    schemas: dict[str, Schema | None]
    validators: dict[str, Draft202012Validator | None]


@dataclass(frozen=True)
class Operation:
    """One operation of one version. Its schemas are compiled at their first use."""

    name: str
    method: str
    path: re.Pattern[str]
    node: dict[str, Any] = field(repr=False)
    item: dict[str, Any] = field(repr=False)
    document: dict[str, Any] = field(repr=False)

    def is_for(self, method: str, path: str) -> bool:
        return self.method == method.upper() and self.path.fullmatch(path) is not None

    @property
    def id_is_request_id(self) -> bool:
        return bool(self.node.get("x-id-is-request-id", False))

    @cached_property
    def responses(self) -> dict[str, DocumentedResponse]:
        """The responses by status, or "default"."""
        return {
            status: documented_response(resolved(response, self.document), self.document)
            for status, response in self.node["responses"].items()
        }

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters of query and path by their names in lower case."""
        nodes = [*self.item.get("parameters", ()), *self.node.get("parameters", ())]
        found = [_parameter(resolved(node, self.document), self.document) for node in nodes]
        return {one.name.lower(): one for one in found}

    @cached_property
    def body(self) -> DocumentedBody | None:
        if "requestBody" not in self.node:
            return None
        node = resolved(self.node["requestBody"], self.document)
        schemas = _schemas(node, self.document)
        validators = {
            kind: None if schema is None else Draft202012Validator(schema, format_checker=_FORMATS)
            for kind, schema in schemas.items()
        }
        return DocumentedBody(node.get("required", False), schemas, validators)


class Documents:
    """The documents of all APIs and versions.

    Args:
        source: returns the document of an API and version.
        versions: the versions of each API, oldest first.
    """

    def __init__(self, source: Source, versions: Mapping[str, tuple[str, ...]]) -> None:
        self._source = source
        self.versions = versions
        self._operations: dict[tuple[str, str], tuple[Operation, ...]] = {}

    def operations(self, api: str, version: str) -> tuple[Operation, ...]:
        """All operations of a version; those with more literal text in their paths come first."""
        if (api, version) not in self._operations:
            self._operations[api, version] = _operations(self._source(api, version))
        return self._operations[api, version]

    def served(self, api: str, version: str) -> str | None:
        """The version whose document applies to `version`: itself, or else the newest older one.

        None for versions before the oldest and for text that is not a version.
        """
        known = self.versions[api]
        if version.lower() in known:
            return version.lower()
        match = re.match(r"(\d+)(?:\.(\d+))?", version)
        if match is None or int(match[1]) < _OLDEST_MAJOR:
            return None
        number = (int(match[1]), int(match[2] or 0))
        older = [name for name in known if tuple(map(int, name.partition("-")[0].split("."))) <= number]
        return older[-1] if older else known[0]

    def schema(self, name: str) -> Schema:
        """A schema of the newest version of the Training API."""
        document = self._source("training", self.versions["training"][-1])
        plain: Schema = plain_schema({"$ref": f"#/components/schemas/{name}"}, document)
        return plain


def shipped(api: str, version: str) -> dict[str, Any]:
    """The document in the package."""
    file = resources.files("emulator.contract") / "documents" / f"{api}-{version}.json.gz"
    document: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
    return document


def _operations(document: dict[str, Any]) -> tuple[Operation, ...]:
    return tuple(
        Operation(node["operationId"], method.upper(), _pattern(path), node, item, document)
        for path, item in sorted(document["paths"].items(), key=lambda entry: -len(_literal(entry[0])))
        for method, node in item.items()
        if method in METHODS
    )


def _literal(path: str) -> str:
    return re.sub(r"{\w+}", "", path)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"{(\w+)}", path)
    # A published name may contain slashes; every other parameter is at most one segment.
    text = "".join(
        f"(?P<{part}>{'.+' if part == 'publishedName' else '[^/]+'})" if index % 2 else re.escape(part)
        for index, part in enumerate(parts)
    )
    return re.compile(text, re.IGNORECASE)


def documented_response(response: dict[str, Any], document: dict[str, Any]) -> DocumentedResponse:
    schemas = _schemas(response, document)
    headers = {
        name.lower(): resolved(header, document)["schema"]
        for name, header in response.get("headers", {}).items()
    }
    return DocumentedResponse(
        schemas=schemas,
        validators={
            kind: Draft202012Validator(schema) for kind, schema in schemas.items() if schema is not None
        },
        headers={
            name: Draft202012Validator(plain_schema(schema, document)) for name, schema in headers.items()
        },
        lists_headers="headers" in response,
    )


def _schemas(node: dict[str, Any], document: dict[str, Any]) -> dict[str, Schema | None]:
    return {
        media_type: plain_schema(content["schema"], document) if "schema" in content else None
        for media_type, content in node.get("content", {}).items()
    }


def _parameter(node: dict[str, Any], document: dict[str, Any]) -> Parameter:
    schema = plain_schema(node["schema"], document)
    kind = schema.get("type", "string")
    is_list = kind == "array"
    return Parameter(
        name=node["name"],
        place=node["in"],
        required=node.get("required", False),
        type=schema.get("items", {}).get("type", "string") if is_list else kind,
        is_list=is_list,
        validator=Draft202012Validator(schema, format_checker=_FORMATS),
    )


def resolved(node: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The node that a reference leads to, with the properties beside the reference."""
    if "$ref" not in node:
        return node
    kind, _, name = node["$ref"].removeprefix("#/components/").partition("/")
    found: dict[str, Any] = document["components"][kind][name]
    return {**found, **{key: value for key, value in node.items() if key != "$ref"}}


def plain_schema(schema: Any, document: dict[str, Any]) -> Any:
    """`schema` without references and allOf; "this or null" becomes a condition for clearer errors."""
    if isinstance(schema, list):
        return [plain_schema(item, document) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: plain_schema(value, document) for key, value in resolved(schema, document).items()}
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
