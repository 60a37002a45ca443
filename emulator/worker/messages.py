"""The messages between the server and its worker process, over the child's standard input and output.

Every message is one pickle on the stream (a pickle marks its own end, so no framing is needed) and holds only
text, numbers and `bytes`. The parts of a job - function, arguments, result, exception - are sent as `bytes`
with a pickle of their own: when that cannot be read, the position in the stream is still right.
"""

import pickle
import traceback
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple


class SetUp(NamedTuple):
    """To the child, as the first message: set up. `initializer` is a call from `pack_call`."""

    nice: int
    log_level: int
    initializer: bytes | None


class Run(NamedTuple):
    """To the child: run this job. `call` is from `pack_call`."""

    call: bytes


class Ready(NamedTuple):
    """From the child: the initializer has returned."""


class Started(NamedTuple):
    """From the child: the job starts. A child that dies before this has not started the job."""


class Progress(NamedTuple):
    """From the child: the running job has reached `fraction` (0 to 1); `text` names the current step."""

    fraction: float
    text: str


class Returned(NamedTuple):
    """From the child: the job returned; `result` is the pickled value."""

    result: bytes


class Raised(NamedTuple):
    """From the child: the job or the initializer raised. `exception` is pickled, or None when that failed."""

    summary: str
    traceback: str
    exception: bytes | None


Message = SetUp | Run | Ready | Started | Progress | Returned | Raised


def send(stream: BinaryIO, message: Message) -> None:
    """Write one message. Raises OSError when the other process has ended."""
    stream.write(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
    stream.flush()


def receive(stream: BinaryIO) -> Message:
    """Wait for the next message. Raises EOFError when the other process has ended, also within a message."""
    try:
        message: Message = pickle.load(stream)  # noqa: S301  (from our own parent or child)
    except EOFError:
        raise
    except Exception as error:  # a truncated message, which pickle reports in many ways
        raise EOFError("the other side died while it was sending") from error
    return message


def pack_call(function: object, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bytes:
    """Pickle `(function, arguments, keywords)`. Raises any exception of pickle."""
    return pickle.dumps((function, arguments, dict(keywords)), pickle.HIGHEST_PROTOCOL)


def unpack_call(call: bytes) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Function, arguments and keywords from `pack_call`. Raises the exceptions of imported modules."""
    function, arguments, keywords = pickle.loads(call)  # noqa: S301  (from our own parent)
    return function, arguments, keywords


def raised(error: BaseException) -> Raised:
    """The message about an exception."""
    packed: bytes | None = None
    if isinstance(error, Exception):  # others would end the thread in the server that waits for the result
        try:
            packed = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
        except Exception:  # noqa: BLE001  (a class within a function, an open file in its arguments, ...)
            packed = None
    summary = "".join(traceback.format_exception_only(error)).strip()
    return Raised(summary, "".join(traceback.format_exception(error)), packed)
