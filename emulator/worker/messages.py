"""What the server and its worker process say to each other, over the child's standard input and output.

Every message is one pickle on the stream (pickles end themselves, so no framing is needed) and holds nothing
but text, numbers and `bytes`. Whatever belongs to a job - function, arguments, result, exception - travels as
`bytes` that are a pickle of their own: if that one cannot be read, the stream itself stays in step.
"""

import pickle
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple


class SetUp(NamedTuple):
    """To the child, first and once: become a worker. `initializer` is a call as `pack_call` makes it."""

    nice: int
    log_level: int
    initializer: bytes | None


class Run(NamedTuple):
    """To the child: run this job. `call` is what `pack_call` made."""

    call: bytes


class Ready(NamedTuple):
    """From the child: the initializer is done."""


class Started(NamedTuple):
    """From the child: the job was taken up. A child that dies before this has not touched the job."""


class Progress(NamedTuple):
    """From the child: the running job has reached `fraction` (0 to 1) and is doing `text`."""

    fraction: float
    text: str


class Returned(NamedTuple):
    """From the child: the job returned; `result` is the pickled value."""

    result: bytes


class Raised(NamedTuple):
    """From the child: the job or the initializer raised. `exception` is pickled; None where that failed."""

    summary: str
    traceback: str
    exception: bytes | None


Message = SetUp | Run | Ready | Started | Progress | Returned | Raised


def send(stream: BinaryIO, message: Message) -> None:
    """Write one message. Raises OSError when the other side is gone."""
    stream.write(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
    stream.flush()


def receive(stream: BinaryIO) -> Message:
    """Wait for the next message. Raises EOFError when the other side is gone, also in mid-message."""
    try:
        message: Message = pickle.load(stream)  # noqa: S301  (from our own parent or child)
    except EOFError:
        raise
    except (
        Exception
    ) as error:  # a message cut off by the death of its sender, which pickle reports in many ways
        raise EOFError("the other side died while it was sending") from error
    return message


def pack_call(function: object, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bytes:
    """Pickle `(function, arguments, keywords)`. Raises whatever pickle raises where that is impossible."""
    return pickle.dumps((function, arguments, dict(keywords)), pickle.HIGHEST_PROTOCOL)


def unpack_call(call: bytes) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """What `pack_call` packed. Raises whatever the modules raise that this imports."""
    function, arguments, keywords = pickle.loads(call)  # noqa: S301  (from our own parent)
    return function, arguments, keywords
