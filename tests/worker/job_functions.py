"""Jobs for the tests: functions of a module, so that the worker process can import them."""

import ctypes
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Progress = Callable[[float, str], None]


class Unhappy(Exception):
    """An exception that can be pickled and rebuilt in the server."""


class Particular(Exception):
    """An exception that pickle cannot rebuild, because of its constructor."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"because of {reason}")


def add(a: int, b: int, *, progress: Progress) -> int:
    return a + b


def append_line(path: Path, line: str, *, progress: Progress) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


def report(steps: int, *, progress: Progress) -> str:
    for step in range(steps):
        progress(step / steps, f"step {step}")
    return "done"


def report_out_of_range(*, progress: Progress) -> None:
    progress(-1, "too low")
    progress(7, "too high")
    progress(float("nan"), "no number")


def report_from_outliving_thread(*, progress: Progress) -> None:
    def go_on() -> None:
        while True:
            progress(0.5, "from the thread of an earlier job")

    threading.Thread(target=go_on, daemon=True).start()


def never_end(*, progress: Progress) -> None:
    progress(0.0, "running")
    threading.Event().wait()


def _connect() -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(os.environ["TEST_WORKER_PORT"])))
    connection.sendall(b"running")
    return connection


def connect_and_never_end(*, progress: Progress) -> None:
    with _connect():
        threading.Event().wait()


def connect_and_never_rest(*, progress: Progress) -> None:
    """Python code that keeps the interpreter lock busy."""
    with _connect():
        while True:
            pass


def connect_and_return(*, progress: Progress) -> None:
    KEPT.append(_connect())


def connect_and_never_become_ready() -> None:
    with _connect():
        threading.Event().wait()


def wait_for_file(path: Path, *, progress: Progress) -> str:
    progress(0.0, "running")
    while not path.exists():
        time.sleep(0.005)
    return "seen"


def raise_unhappy(*, progress: Progress) -> None:
    raise Unhappy("there is no sun")


def raise_particular(*, progress: Progress) -> None:
    raise Particular(reason="the rain")


def raise_exception_of_unloaded_module(*, progress: Progress) -> None:
    from tomllib import TOMLDecodeError

    raise TOMLDecodeError("not TOML")


def exit_politely(*, progress: Progress) -> None:
    sys.exit(3)


def exit_at_once(code: int, *, progress: Progress) -> None:
    print("a last word", file=sys.stderr, flush=True)
    os._exit(code)


def crash(*, progress: Progress) -> None:
    ctypes.string_at(0)


def kill_itself(name: str, *, progress: Progress) -> None:
    faulthandler.disable()  # else it would write a traceback of this intended crash
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(60)


def return_lambda(*, progress: Progress) -> Any:
    return lambda: None


def return_size(data: bytes, *, progress: Progress) -> int:
    return len(data)


def return_bytes(size: int, *, progress: Progress) -> bytes:
    return bytes(size)


class _Device:
    """Represents an object of torch: its pickle names that module."""

    def __reduce__(self) -> Any:
        return _named_torch, ()


def _named_torch() -> None: ...


_named_torch.__module__ = "torch"


def return_torch(*, progress: Progress) -> Any:
    import types

    sys.modules["torch"] = types.ModuleType("torch")
    sys.modules["torch"]._named_torch = _named_torch  # type: ignore[attr-defined]
    return _Device()


def be_loud(*, progress: Progress) -> None:
    print("to standard output")
    print("to standard error", file=sys.stderr)
    print("no UTF-8 \udcff", file=sys.stderr)
    os.write(1, b"past Python\n")
    logging.getLogger("some.library").warning("to the log")
    logging.getLogger("some.library").debug("to nobody")


def read_standard_input(*, progress: Progress) -> str:
    return sys.stdin.read()


def hoard(megabytes: int, *, progress: Progress) -> None:
    """Allocate small blocks and free all but a few: the state of the heap after a training."""
    blocks = [bytes(50_000) for _ in range(20 * megabytes)]
    HOARDED.extend(blocks[::100])


def resident_megabytes(*, progress: Progress) -> float:
    """On Linux."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


HOARDED: list[bytes] = []


def describe_process(*, progress: Progress) -> dict[str, Any]:
    main = sys.modules["__main__"]
    return {
        "pid": os.getpid(),
        "nice": os.nice(0) if hasattr(os, "nice") else None,
        "oom score": OOM_SCORE.read_text() if OOM_SCORE.exists() else None,
        "session": os.getsid(0) if hasattr(os, "getsid") else None,
        "autogroup": AUTOGROUP.read_text() if AUTOGROUP.exists() else None,
        "main": getattr(main, "__file__", None),
        "path": sys.path,
        "initialized": INITIALIZED,
    }


# The autogroup of this session on Linux, and its niceness.
AUTOGROUP = Path("/proc/self/autogroup")
# What is added to the score by which Linux chooses a process to end when memory is exhausted.
OOM_SCORE = Path("/proc/self/oom_score_adj")
INITIALIZED = 0
KEPT: list[socket.socket] = []


def initialize() -> None:
    global INITIALIZED
    INITIALIZED += 1


def initialize_and_log() -> None:
    logging.getLogger("initializer").warning("here I am")


def initialize_badly() -> None:
    raise ImportError("No module named 'something_large'")


def initialize_never() -> None:
    logging.getLogger("initializer").warning("here I am")
    threading.Event().wait()


def initialize_by_dying() -> None:
    os._exit(9)


def initialize_badly_while_file_exists() -> None:
    if Path(os.environ["TEST_WORKER_TROUBLE"]).exists():
        raise ImportError("trouble")
