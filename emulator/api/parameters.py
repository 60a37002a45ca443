"""Query parameters as ``Annotated`` dependencies: ``skip: Annotated[int, integer("skip", 0)]``.

Names match in any case. The first value of a repeated parameter counts, and an empty value counts as absent.
A parameter that the version of the operation lacks (`emulator.contract.version_differences`) has its default.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request

from emulator.api.dependencies import version_of
from emulator.contract import version_differences
from emulator.contract.gateway_responses import guid as parse_guid
from emulator.core.errors import ServiceError
from emulator.core.rules.limits import PAGE_SIZE, PAGE_SIZE_MAXIMUM
from emulator.core.rules.validation import in_any_case

_INTEGER_LIMIT = 2**31 - 1


def text_in(request: Request, name: str) -> str | None:
    """The value of a parameter, or None."""
    lowered = name.lower()
    for key, value in request.query_params.multi_items():
        if value != "" and key.lower() == lowered:
            if version_differences.has_parameter(request.scope["route"].name, name, version_of(request)):
                return value
            return None
    return None


def text(name: str) -> Any:
    """A parameter of type str | None."""

    async def read(request: Request) -> str | None:
        return text_in(request, name)

    return Depends(read)


def required_text(name: str) -> Any:
    """A parameter of type str that must be present."""

    async def read(request: Request) -> str:
        value = text_in(request, name)
        if value is None:
            raise _missing(name)
        return value

    return Depends(read)


def flag_in(request: Request, name: str, default: bool) -> bool:
    """The boolean value of a parameter, or `default`."""
    value = text_in(request, name)
    if value is None:
        return default
    if value.lower() not in ("true", "false"):
        raise _invalid(name, value, "true or false")
    return value.lower() == "true"


def flag(name: str, default: bool = False) -> Any:
    """A parameter of type bool."""

    async def read(request: Request) -> bool:
        return flag_in(request, name, default)

    return Depends(read)


def integer_in(
    request: Request, name: str, default: int, minimum: int = 0, maximum: int = _INTEGER_LIMIT
) -> int:
    """The integer value of a parameter, between `minimum` and `maximum` inclusive, or `default`."""
    value = text_in(request, name)
    if value is None:
        return default
    try:
        number = int(value) if len(value) < 12 else _INTEGER_LIMIT + 1
    except ValueError:
        raise _invalid(name, value, "an integer") from None
    if not minimum <= number <= maximum:
        raise _invalid(name, value, f"between {minimum} and {maximum}")
    return number


def integer(name: str, default: int, minimum: int = 0, maximum: int = _INTEGER_LIMIT) -> Any:
    """A parameter of type int, between `minimum` and `maximum` inclusive."""

    async def read(request: Request) -> int:
        return integer_in(request, name, default, minimum, maximum)

    return Depends(read)


def number_in(request: Request, name: str) -> float | None:
    """The finite value of a parameter, or None."""
    value = text_in(request, name)
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _invalid(name, value, "a number")
    return number


def number(name: str) -> Any:
    """A parameter of type float | None."""

    async def read(request: Request) -> float | None:
        return number_in(request, name)

    return Depends(read)


def choice_in(request: Request, name: str, choices: Sequence[str], default: str) -> str:
    """The item of `choices` that equals the parameter in any case, or `default`."""
    value = text_in(request, name)
    if value is None:
        return default
    known = in_any_case(value, choices)
    if known is None:
        raise _invalid(name, value, " or ".join(choices))
    return known


def choice(name: str, choices: Sequence[str], default: str) -> Any:
    """A parameter of type str: one of `choices`."""

    async def read(request: Request) -> str:
        return choice_in(request, name, choices, default)

    return Depends(read)


def required_choice(name: str, choices: Sequence[str]) -> Any:
    """A parameter of type str that must be present: one of `choices`."""

    async def read(request: Request) -> str:
        if text_in(request, name) is None:
            raise _missing(name)
        return choice_in(request, name, choices, "")

    return Depends(read)


def guid_in(request: Request, name: str) -> str | None:
    """The id in a parameter, or None."""
    value = text_in(request, name)
    return None if value is None else _guid(name, value)


def guid(name: str) -> Any:
    """An id, of type str | None."""

    async def read(request: Request) -> str | None:
        return guid_in(request, name)

    return Depends(read)


def required_guid(name: str) -> Any:
    """An id, of type str, that must be present."""

    async def read(request: Request) -> str:
        value = guid_in(request, name)
        if value is None:
            raise _missing(name)
        return value

    return Depends(read)


def texts(name: str) -> Any:
    """A list of strings: separated by commas, the parameter repeated, or both."""

    async def read(request: Request) -> list[str]:
        return _texts(request, name)

    return Depends(read)


def repeated_texts(name: str) -> Any:
    """A tuple of strings that may contain commas: the parameter repeated."""

    async def read(request: Request) -> tuple[str, ...]:
        lowered = name.lower()
        return tuple(value for key, value in request.query_params.multi_items() if key.lower() == lowered)

    return Depends(read)


def guids_in(request: Request, name: str) -> tuple[str, ...]:
    """The ids in a parameter."""
    return tuple(_guid(name, value) for value in _texts(request, name))


def guids(name: str, *, required: bool = False) -> Any:
    """A tuple of ids: separated by commas, the parameter repeated, or both."""

    async def read(request: Request) -> tuple[str, ...]:
        values = guids_in(request, name)
        if required and not values:
            raise _missing(name)
        return values

    return Depends(read)


def _texts(request: Request, name: str) -> list[str]:
    lowered = name.lower()
    values = [value for key, value in request.query_params.multi_items() if key.lower() == lowered]
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def _guid(name: str, value: str) -> str:
    try:
        return parse_guid(value)
    except ValueError:
        raise ServiceError(
            "BadRequestInvalidIds", f"The parameter '{name}' holds '{value[:100]}', which is not a GUID."
        ) from None


def _missing(name: str) -> ServiceError:
    return ServiceError("BadRequestRequiredParamIsNull", f"The parameter '{name}' is required.")


def _invalid(name: str, value: str, expected: str) -> ServiceError:
    return ServiceError(
        "BadRequest", f"The value '{value[:100]}' is not valid for '{name}': expected {expected}."
    )


class Page(NamedTuple):
    """Parameters of a page of a list in the order of time."""

    newest_first: bool
    take: int
    skip: int


def _page_in(request: Request) -> tuple[int, int]:
    """The parameters ``take`` and ``skip``."""
    take = integer_in(request, "take", PAGE_SIZE, maximum=PAGE_SIZE_MAXIMUM)
    return take, integer_in(request, "skip", 0)


async def _take_and_skip(request: Request) -> tuple[int, int]:
    return _page_in(request)


async def _ordered_page(request: Request) -> Page:
    order = choice_in(request, "orderBy", ("Newest", "Oldest"), "Newest")
    return Page(order == "Newest", *_page_in(request))


# Parameters that several operations have.
OfIteration = Annotated[str | None, guid("iterationId")]
TagIds = Annotated[tuple[str, ...], guids("tagIds")]
TakeAndSkip = Annotated[tuple[int, int], Depends(_take_and_skip)]
OrderedPage = Annotated[Page, Depends(_ordered_page)]
Application = Annotated[str | None, text("application")]
