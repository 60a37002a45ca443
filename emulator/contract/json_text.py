"""JSON texts in the bodies of requests: strict JSON first, then what the service's reader accepts besides.

The number of values is limited before anything is parsed, since parsing holds the interpreter's lock.
"""

from typing import Any

import orjson

from emulator.contract import lenient_json

# The largest batch (64 images with 300 regions and 100 tags each) has 125,000.
MAX_VALUES = 250_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # .NET clients may begin a body with it


class InvalidJson(ValueError):
    """The text is not JSON. str() is the reason."""


class TooManyValues(ValueError):
    """The text has more than MAX_VALUES values."""


def read_json(data: bytes) -> Any:
    """The value of a JSON text. Raises InvalidJson or TooManyValues.

    Text that is not strict JSON is read by `lenient_json`, in which numbers are `WrittenNumber`.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    _check_values(data)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        try:
            return lenient_json.loads(data)
        except ValueError:
            raise InvalidJson(str(error)) from None


def read_strict_json(data: bytes) -> Any:
    """The value of a strict JSON text. Raises InvalidJson or TooManyValues."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    _check_values(data)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(str(error)) from None


def read_written_numbers(data: bytes) -> Any:
    """The same, with every number as a `WrittenNumber`. Raises InvalidJson or TooManyValues."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    _check_values(data)
    try:
        return lenient_json.loads(data)
    except ValueError as error:
        raise InvalidJson(str(error)) from None


def _check_values(data: bytes) -> None:
    """Count what begins a value: commas and opening brackets, those within strings included."""
    if len(data) <= MAX_VALUES:
        return
    count = 0
    for mark in (b",", b"[", b"{"):
        position = data.find(mark)
        while position >= 0:
            count += 1
            if count > MAX_VALUES:
                raise TooManyValues(f"The request body has more than {MAX_VALUES} values.")
            position = data.find(mark, position + 1)
