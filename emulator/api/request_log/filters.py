"""Filters of the request log, as query parameters of the control API."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from fastapi import Request

from emulator.api.parameters import flag_in, guid_in, text_in
from emulator.api.request_log.entries import LoggedRequest
from emulator.contract.operations import BY_NAME
from emulator.contract.test_kit.spelling import did_you_mean
from emulator.core.errors import ServiceError

NAMES = ("operation", "api", "version", "status", "method", "client", "project", "path", "departed", "since")
_STATUS = re.compile(r"[1-5](?:\d\d|xx)|none", re.IGNORECASE)
_Test = Callable[[LoggedRequest], bool]


class Filter:
    """The requests for which all given filters hold.

    Attributes:
        number: only requests with a higher number.
    """

    def __init__(self, tests: Iterable[_Test] = (), number: int = 0) -> None:
        self._tests = tuple(tests)
        self.number = number

    def __call__(self, entry: LoggedRequest) -> bool:
        return all(test(entry) for test in self._tests)


def filter_in(request: Request, others: Iterable[str] = ()) -> Filter:
    """The filter of a request to the control API.

    Args:
        others: names of further parameters of the operation.

    Raises:
        ServiceError: a parameter is unknown, or has a value that it cannot have.
    """
    refuse_unknown(request, (*NAMES, *others))
    tests: list[_Test] = []
    if (operations := text_in(request, "operation")) is not None:
        tests.append(_operation([part.strip() for part in operations.split(",")]))
    for name, make in _TESTS.items():
        text = text_in(request, name)
        if text is not None:
            tests.append(make([part.strip().lower() for part in text.split(",")]))
    if (client := text_in(request, "client")) is not None:
        tests.append(_client(client))
    if (path := text_in(request, "path")) is not None:
        tests.append(_path(path.lower()))
    if (project := guid_in(request, "project")) is not None:
        tests.append(lambda entry: entry.project_id == project)
    if text_in(request, "departed") is not None:
        departed = flag_in(request, "departed", default=True)
        tests.append(lambda entry: bool(entry.row.departures) == departed)
    number = 0
    if (since := text_in(request, "since")) is not None:
        if since.isdecimal() and len(since) < 18:
            number = int(since)
        else:
            moment = _moment(since)
            tests.append(lambda entry: entry.row.time >= moment)
    return Filter(tests, number)


def refuse_unknown(request: Request, known: Iterable[str]) -> None:
    """Raise ServiceError for a query parameter with another name than these."""
    names = {name.lower(): name for name in known}
    for name in request.query_params:
        if name.lower() not in names:
            hint = did_you_mean(name, names.values()) or f"; known are {', '.join(names.values())}."
            raise ServiceError("BadRequest", f"There is no parameter '{name[:100]}'{hint}")


def _operation(names: list[str]) -> _Test:
    known = {name.lower(): name for name in BY_NAME} | {"none": "none"}
    for name in names:
        if name.lower() not in known:
            hint = did_you_mean(name, known.values()) or "."
            raise ServiceError("BadRequest", f"'{name[:100]}' is no operation of the service{hint}")
    chosen = {known[name.lower()] for name in names}
    return lambda entry: (entry.operation or "none") in chosen


def _api(names: list[str]) -> _Test:
    for name in names:
        if name not in ("training", "prediction", "none"):
            raise _invalid("api", name, "training, prediction or none")
    return lambda entry: (entry.api or "none") in names


def _version(names: list[str]) -> _Test:
    plain = {name.removeprefix("v") for name in names}
    return lambda entry: bool(
        plain & {entry.version or "none", (entry.version_sent or "none").lower().removeprefix("v")}
    )


def _status(texts: list[str]) -> _Test:
    for text in texts:
        if not _STATUS.fullmatch(text):
            raise _invalid("status", text, "a status such as 404, a class such as 4xx, or none")
    return lambda entry: (
        str(entry.row.status or "none") in texts or f"{str(entry.row.status or '')[:1]}xx" in texts
    )


def _method(names: list[str]) -> _Test:
    return lambda entry: entry.row.method.lower() in names


def _client(text: str) -> _Test:
    return lambda entry: entry.client == text or text.lower() in (entry.agent or "").lower()


def _path(text: str) -> _Test:
    return lambda entry: text in entry.path.lower()


_TESTS: dict[str, Callable[[list[str]], _Test]] = {
    "api": _api,
    "version": _version,
    "status": _status,
    "method": _method,
}


def _moment(text: str) -> float:
    try:
        # A plus sign that was not percent-encoded is a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise _invalid(
            "since", text, "the number of a request or a time such as 2026-01-31T12:00:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _invalid(name: str, value: str, expected: str) -> ServiceError:
    return ServiceError(
        "BadRequest", f"The value '{value[:100]}' is not valid for '{name}': expected {expected}."
    )
