"""The worker process: runs one job at a time for the server that started it (see `worker.py`).

The main thread runs the initializer and the jobs. A second one reads the server's messages and ends the
process the moment their stream ends, because that is how the death of the server shows, on every operating
system and also after SIGKILL. Signals that ask to end are ignored: the server decides.
"""

import contextlib
import faulthandler
import logging
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from emulator.vision.imaging.memory import trim_heap
from emulator.worker.messages import (
    Message,
    Progress,
    Raised,
    Ready,
    Returned,
    Run,
    SetUp,
    Started,
    receive,
    send,
    unpack_call,
)

Messages = queue.SimpleQueue[Message]


def main() -> None:
    """Serve jobs until the server closes the stream or kills this process. Does not return."""
    for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    requests, answers = _redirect_standard_streams()
    faulthandler.enable()  # a crash in native code leaves its trace in the server's log
    messages: Messages = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests, messages), name="requests", daemon=True).start()
    try:
        set_up = messages.get()
        assert isinstance(set_up, SetUp)
        if not _set_up(set_up, answers):
            return
        while True:
            request = messages.get()
            assert isinstance(request, Run)
            send(answers, Started())
            send(answers, _run(request, answers))
            # Nobody waits now, and the next job may be long in coming: after many images it is a gigabyte.
            trim_heap()
    except BrokenPipeError:  # the server is gone
        os._exit(1)


def _redirect_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Move the two streams of messages out of the way of libraries that print or read standard input.

    What is printed from now on goes to standard error, which the server forwards to its log.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if hasattr(os, "register_at_fork"):  # a forked grandchild must not keep the stream open after our death
        os.register_at_fork(after_in_child=lambda: os.close(answers.fileno()))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    return requests, answers


def _read_requests(requests: BinaryIO, messages: Messages) -> None:
    try:
        while True:
            messages.put(receive(requests))
    finally:  # at the end of the stream above all; but whatever it is, without its server this has no purpose
        os._exit(1)


def _set_up(set_up: SetUp, answers: BinaryIO) -> bool:
    """Lower the priority, set up logging, run the initializer, and say how that went."""
    _lower_priority(set_up.nice)
    logging.basicConfig(
        stream=sys.stderr, level=set_up.log_level, format="%(levelname)s: %(name)s: %(message)s", force=True
    )
    try:
        if set_up.initializer is not None:
            function, arguments, keywords = unpack_call(set_up.initializer)
            function(*arguments, **keywords)
    except BaseException as error:  # noqa: BLE001  (whatever it is, the server must hear of it)
        send(answers, _raised(error))
        return False
    send(answers, Ready())
    return True


def _lower_priority(nice: int) -> None:
    """Let others have the processors first. On Windows the server sees to it when it starts the process."""
    if hasattr(os, "nice"):
        os.nice(nice)
    # Linux may share processors out by session first: niceness then counts among the members of one alone,
    # and this process has a session of its own. Elsewhere the file is missing, or not to be written.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")


def _run(request: Run, answers: BinaryIO) -> Returned | Raised:
    """Run a job to its end, whatever end that is."""
    over = False
    sending = threading.Lock()  # a job may report from threads of its own, some of which may outlive it

    def progress(fraction: float, text: str) -> None:
        message = Progress(min(1.0, max(0.0, float(fraction))), str(text))
        with sending:
            if not over:
                send(answers, message)

    answer: Returned | Raised
    try:
        function, arguments, keywords = unpack_call(request.call)
        result: Any = function(*arguments, **keywords, progress=progress)
        answer = Returned(_packed(result))
    except BaseException as error:  # noqa: BLE001  (SystemExit too: a job does not end its worker)
        answer = _raised(error)
    with sending:
        over = True
    return answer


def _packed(result: object) -> bytes:
    try:
        return pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # pickle reports in many ways
        raise TypeError(f"the job's result cannot be pickled: {error}") from error


def _raised(error: BaseException) -> Raised:
    packed: bytes | None = None
    if isinstance(error, Exception):  # others would end the thread in the server that asks for the result
        try:
            packed = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
        except Exception:  # noqa: BLE001  (a class within a function, an open file in its arguments, ...)
            packed = None
    summary = "".join(traceback.format_exception_only(error)).strip()
    return Raised(summary, "".join(traceback.format_exception(error)), packed)
