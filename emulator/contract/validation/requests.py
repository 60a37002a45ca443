"""The validator of requests: each contradiction to the document of the version in the path, as a line.

The emulator accepts more than the documents say, as the service does: names in any case, lenient JSON,
unknown properties. The service may do so in another way, or in fewer versions.
"""

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote

from emulator.contract.validation.documents import JSON, DocumentedBody, Documents, Operation, Parameter
from emulator.contract.validation.json_rules import (
    object_noting,
    refuse_constant,
    schema_problems,
    undocumented_properties,
)
from emulator.contract.validation.responses import API_PATH, path_of

_FORM = "multipart/form-data"
_MOST_PARAMETERS = 200
_SHOWN = 60
_INTEGER = re.compile(r"-?\d{1,19}")
_NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?")


class RequestValidator:
    """Validates requests of the service's APIs."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def check(
        self, method: str, path: str, query: str, content_type: str | None, body: bytes | None
    ) -> list[str]:
        """The contradictions of a request to the document of its version, one line each.

        Args:
            path: percent-encoded, as it was sent. Paths of no API are not validated.
            query: percent-encoded.
            body: None when it is not known, since the request was refused before it was read.
        """
        api_path = API_PATH.fullmatch(path_of(path))
        if api_path is None:
            return []
        return list(self._problems(api_path, method, query, content_type, body))

    def _problems(
        self,
        api_path: re.Match[str],
        method: str,
        query: str,
        content_type: str | None,
        body: bytes | None,
    ) -> Iterator[str]:
        version, api, path = api_path[1], api_path[2].lower(), (api_path[3] or "").rstrip("/")
        served = self._documents.served(api, version)
        if served is None:
            yield f"version {version[:_SHOWN]} has no document"
            return
        if served != version.lower():
            yield f"version {version[:_SHOWN]} has no document; the request is compared with that of {served}"
        documented = "GET" if method == "HEAD" else method
        operations = self._documents.operations(api, served)
        operation = next((one for one in operations if one.is_for(documented, path)), None)
        if operation is None:
            yield f"{api.capitalize()} {served} has no operation with this path and the method {method}"
            return
        yield from _path(operation, path)
        yield from _query(operation, query)
        if body is not None:
            yield from _body(operation.body, content_type, body)


def _path(operation: Operation, path: str) -> Iterator[str]:
    match = operation.path.fullmatch(path)
    values: Mapping[str, str] = {} if match is None else match.groupdict()
    for name, value in values.items():
        parameter = operation.parameters.get(name.lower())
        if parameter is not None:
            yield from _value_problems(parameter, unquote(value))


def _query(operation: Operation, query: str) -> Iterator[str]:
    documented = {key: one for key, one in operation.parameters.items() if one.place == "query"}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        yield f"the query has more than {_MOST_PARAMETERS} parameters"
        return
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        parameter = documented.get(name.lower())
        if parameter is None:
            yield f"query parameter {name[:_SHOWN]!r} is not documented"
            continue
        if name != parameter.name:
            yield f"query parameter {name!r} is documented as {parameter.name!r}"
        given.setdefault(parameter.name, []).append(value)
    for parameter in documented.values():
        values = given.get(parameter.name)
        if values is None:
            if parameter.required:
                yield f"query parameter {parameter.name!r} is required"
            continue
        if len(values) > 1:
            form = "once, with commas between its values" if parameter.is_list else "once"
            yield f"query parameter {parameter.name!r} is given {len(values)} times; documented is {form}"
        yield from _value_problems(parameter, values[0])


def _value_problems(parameter: Parameter, text: str) -> Iterator[str]:
    """The contradictions of a parameter's text to its schema."""
    texts = text.split(",") if parameter.is_list else [text]
    if parameter.is_list and text == "":
        texts = []
    values = []
    for one in texts:
        value = _typed(parameter.type, one)
        if value is None:
            yield f"{parameter.place} parameter {parameter.name!r}: {one[:_SHOWN]!r} is no {parameter.type}"
            return
        values.append(value)
    for problem in schema_problems(parameter.validator, values if parameter.is_list else values[0]):
        yield f"{parameter.place} parameter {parameter.name!r}: {problem.removeprefix('$: ')}"


def _typed(kind: str, text: str) -> str | int | float | bool | None:
    """The value of a text of a type of JSON Schema; None if it has another type."""
    if kind == "integer":
        return int(text) if _INTEGER.fullmatch(text) else None
    if kind == "number":
        return float(text) if _NUMBER.fullmatch(text) else None
    if kind == "boolean":
        return {"true": True, "false": False}.get(text)
    return text


def _body(documented: DocumentedBody | None, content_type: str | None, body: bytes) -> Iterator[str]:
    if documented is None:
        if body:
            yield f"a body of {len(body)} bytes where none is documented"
        return
    if not body:
        if documented.required:
            yield "the body is missing"
        return
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in documented.schemas:
        shown = f"Content-Type is {content_type[:_SHOWN]!r}" if content_type else "Content-Type is missing"
        yield f"{shown}; documented: {', '.join(documented.schemas)}"
        if list(documented.schemas) != [JSON]:
            return
        kind = JSON  # the emulator reads it so, too
    if kind == JSON:
        yield from _json(documented, body)
    elif kind == _FORM and "boundary=" not in (content_type or "").lower():
        yield "Content-Type has no boundary"


def _json(documented: DocumentedBody, body: bytes) -> Iterator[str]:
    repeated: list[str] = []
    try:
        value = json.loads(body, parse_constant=refuse_constant, object_pairs_hook=object_noting(repeated))
    except (ValueError, RecursionError) as error:
        yield f"the body is not JSON: {error}"
        return
    yield from repeated
    validator, schema = documented.validators[JSON], documented.schemas[JSON]
    if validator is not None:
        yield from schema_problems(validator, value)
    if schema is not None:
        yield from undocumented_properties(schema, value)
