"""The worker process: runs one job at a time for the server that started it (see `executor`).

The main thread runs the initializer and the jobs. A second thread reads the server's messages and ends the
process as soon as their stream ends: that is how the death of the server shows on every operating system,
also after SIGKILL. Signals that request termination are ignored; the server ends this process.
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
    raised,
    receive,
    send,
    unpack_call,
)

Messages = queue.SimpleQueue[Message]

# Of at most 1000; a server of systemd or of a shell has 0 or little more.
_OOM_SCORE = "500"


def main() -> None:
    """Run jobs until the server closes the stream or kills this process. Does not return."""
    for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    requests, responses = _redirect_standard_streams()
    faulthandler.enable()  # a crash in native code leaves its trace in the server's log
    messages: Messages = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests, messages), name="requests", daemon=True).start()
    try:
        set_up = messages.get()
        assert isinstance(set_up, SetUp)
        if not _set_up(set_up, responses):
            return
        while True:
            request = messages.get()
            assert isinstance(request, Run)
            send(responses, Started())
            send(responses, _run(request, responses))
            # The next job may come much later, and after many images the freed memory is a gigabyte.
            trim_heap()
    except BrokenPipeError:  # the server is gone
        os._exit(1)


def _redirect_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two streams of messages away from libraries that print or read standard input.

    Their output then goes to standard error, which the server forwards to its log.
    """
    requests, responses = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if hasattr(os, "register_at_fork"):  # a forked grandchild must not keep the stream open after our death
        os.register_at_fork(after_in_child=lambda: os.close(responses.fileno()))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    return requests, responses


def _read_requests(requests: BinaryIO, messages: Messages) -> None:
    try:
        while True:
            messages.put(receive(requests))
    finally:  # the end of the stream or any other error: without the server this process has no purpose
        os._exit(1)


def _set_up(set_up: SetUp, responses: BinaryIO) -> bool:
    """Lower the priority, set up logging and run the initializer. False when the initializer failed."""
    _lower_priority(set_up.nice)
    _end_before_the_server()
    logging.basicConfig(
        stream=sys.stderr, level=set_up.log_level, format="%(levelname)s: %(name)s: %(message)s", force=True
    )
    try:
        if set_up.initializer is not None:
            function, arguments, keywords = unpack_call(set_up.initializer)
            function(*arguments, **keywords)
    except BaseException as error:  # noqa: BLE001  (every failure is reported to the server)
        send(responses, raised(error))
        return False
    send(responses, Ready())
    return True


def _lower_priority(nice: int) -> None:
    """Lower the priority of this process. On Windows the server does this when it starts the process."""
    if hasattr(os, "nice"):
        os.nice(nice)
    # Linux may divide processor time between sessions first; niceness then has an effect within a session
    # only, and this process has its own. On other systems the file is missing or not writable.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")


def _end_before_the_server() -> None:
    """Let Linux end this process, and not the server, when memory is exhausted."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def _run(request: Run, responses: BinaryIO) -> Returned | Raised:
    """Run a job; returns its result or its exception."""
    over = False
    sending = threading.Lock()  # a job may report from its own threads, and these may outlive it

    def progress(fraction: float, text: str) -> None:
        message = Progress(min(1.0, max(0.0, float(fraction))), str(text))
        with sending:
            if not over:
                send(responses, message)

    outcome: Returned | Raised
    try:
        function, arguments, keywords = unpack_call(request.call)
        result: Any = function(*arguments, **keywords, progress=progress)
        outcome = Returned(_packed(result))
    except BaseException as error:  # noqa: BLE001  (SystemExit too: a job does not end its worker)
        outcome = raised(error)
    with sending:
        over = True
    return outcome


def _packed(result: object) -> bytes:
    try:
        return pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # pickle reports in many ways
        raise TypeError(f"the job's result cannot be pickled: {error}") from error
