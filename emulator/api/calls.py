"""One call of an operation: its parameters, parsed with the service's own errors, and how it answers."""

import math
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from emulator.contract import requests
from emulator.contract.identifiers import guid
from emulator.contract.operations import Operation
from emulator.contract.versions import Version
from emulator.core.context import Context
from emulator.core.errors import ServiceError

_Shape = TypeVar("_Shape", bound=requests.Body)
# What ASGI says of a request, as Starlette has it too.
Scope = MutableMapping[str, Any]
_INTEGER_LIMIT = 2**31 - 1


class UnknownResource(Exception):
    """The path leads nowhere: the gateway's 404."""


@dataclass(frozen=True)
class Answer:
    """An answer that needs a status of its own; handlers return plain values for 200, None for 204."""

    value: Any = None
    status: int = 200


@dataclass(frozen=True)
class Binary:
    """An answer that is no JSON."""

    data: bytes
    media_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Call:
    """What a handler is given.

    request_id: the ``apim-request-id`` of the answer, which is the id of a prediction too.
    base_url: scheme and host under which the client reached the emulator.
    """

    context: Context
    operation: Operation
    version: Version
    path: dict[str, str]
    parameters: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    request_id: str
    base_url: str

    def id(self, name: str) -> str:
        """An id in the path. Whatever is no GUID matches no route of the service."""
        try:
            return guid(self.path[name])
        except ValueError:
            raise UnknownResource from None

    def text(self, name: str) -> str | None:
        """A query parameter, whatever the case of its name; None when absent or empty."""
        for key, value in self.parameters:
            if key.lower() == name.lower() and value != "":
                return value
        return None

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise ServiceError("BadRequestRequiredParamIsNull", f"The parameter '{name}' is required.")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise _invalid(name, value, "true or false")
        return value.lower() == "true"

    def integer(self, name: str, default: int, minimum: int = 0, maximum: int = _INTEGER_LIMIT) -> int:
        value = self.text(name)
        if value is None:
            return default
        try:
            number = int(value) if len(value) < 12 else _INTEGER_LIMIT + 1
        except ValueError:
            raise _invalid(name, value, "an integer") from None
        if not minimum <= number <= maximum:
            raise _invalid(name, value, f"between {minimum} and {maximum}")
        return number

    def number(self, name: str) -> float | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise _invalid(name, value, "a number")
        return number

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of `choices`, matched whatever its case."""
        value = self.text(name)
        if value is None:
            return default
        for one in choices:
            if one.lower() == value.lower():
                return one
        raise _invalid(name, value, " or ".join(choices))

    def guid(self, name: str) -> str | None:
        value = self.text(name)
        return None if value is None else _guid(name, value)

    def texts(self, name: str) -> list[str]:
        """A list: comma-separated, or the parameter repeated."""
        values = [value for key, value in self.parameters if key.lower() == name.lower()]
        return [item.strip() for value in values for item in value.split(",") if item.strip()]

    def guids(self, name: str, required: bool = False) -> tuple[str, ...]:
        values = tuple(_guid(name, value) for value in self.texts(name))
        if required and not values:
            raise ServiceError("BadRequestRequiredParamIsNull", f"The parameter '{name}' is required.")
        return values

    def parsed(self, shape: type[_Shape]) -> _Shape:
        """The JSON body. Raises Malformed."""
        return requests.parse(shape, self.body)

    def parsed_or(self, shape: type[_Shape], default: _Shape) -> _Shape:
        """The JSON body, or `default` when there is none (or ``null``)."""
        return default if self.body.strip() in (b"", b"null") else self.parsed(shape)

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


Handler = Callable[[Call], Any]
HANDLERS: dict[str, Handler] = {}


def handles(name: str) -> Callable[[Handler], Handler]:
    """Hang a function on the operation `name` of the contract."""

    def register(handler: Handler) -> Handler:
        assert name not in HANDLERS, name
        HANDLERS[name] = handler
        return handler

    return register


def _guid(name: str, value: str) -> str:
    try:
        return guid(value)
    except ValueError:
        raise ServiceError(
            "BadRequestInvalidIds", f"The parameter '{name}' holds '{value[:100]}', which is not a GUID."
        ) from None


def _invalid(name: str, value: str, expected: str) -> ServiceError:
    return ServiceError(
        "BadRequest", f"The value '{value[:100]}' is not valid for '{name}': expected {expected}."
    )


def call_of(
    scope: Scope,
    context: Context,
    operation: Operation,
    version: Version,
    body: bytes,
    public_url: str | None,
) -> Call:
    """A request as handlers see it. public_url: where clients reach the emulator, if it was set."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(
        context=context,
        operation=operation,
        version=version,
        path=scope["path_params"],
        parameters=parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers=headers,
        body=body,
        request_id=scope["request_id"],
        base_url=base_url(scope, headers, public_url),
    )


def base_url(scope: Scope, headers: Mapping[str, str], public_url: str | None) -> str:
    """Scheme and host under which the client reached the emulator."""
    return public_url or f"{scope['scheme']}://{headers.get('host', 'localhost')}"
