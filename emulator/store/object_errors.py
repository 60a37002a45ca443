"""The errors of obstore, as those of the store."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from emulator.store.database import BlobsUnreachable

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def first_line(error: BaseException) -> str:
    """The first line of an error of obstore: details for developers follow."""
    return str(error).partition("\n")[0]


def explained(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Raise BlobsUnreachable in place of the errors of obstore, which is imported already."""

    @wraps(function)
    def call(*arguments: _Arguments.args, **more: _Arguments.kwargs) -> _Result:
        from obstore.exceptions import BaseError

        try:
            return function(*arguments, **more)
        except BaseError as error:
            raise BlobsUnreachable(first_line(error)) from error

    return call
