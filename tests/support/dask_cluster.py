"""A scheduler of Dask and workers of the emulator, each in a process of its own."""

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import self_signed
from tests.support.harness import PATIENCE_SECONDS

HOW_TO_GET_DASK = "Dask is missing; get it with: pip install distributed"
_OTHER_VERSION = (
    "import sys, emulator; emulator.__version__ = sys.argv.pop(1); from emulator.__main__ import main; main()"
)


class DaskCluster:
    """Starts with a scheduler. Skips the test where Dask is not installed.

    folder: for files of workers. protocol: "tcp", or "tls" with certificates by the variables of Dask.
    """

    def __init__(self, folder: Path, protocol: str = "tcp") -> None:
        if importlib.util.find_spec("distributed") is None:
            pytest.skip(HOW_TO_GET_DASK)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._port, self._protocol = "0", protocol
        self.address = ""
        self.scheduler = self.start_scheduler()
        self.workers: list[subprocess.Popen[str]] = []
        self.folders: dict[subprocess.Popen[str], Path] = {}
        self._special: list[subprocess.Popen[str]] = []

    def start_scheduler(self) -> subprocess.Popen[str]:
        """Start the scheduler, again at the same address."""
        program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
        arguments = ["--port", self._port, "--dashboard-address", "127.0.0.1:0", "--no-show"]
        self.scheduler, self.address = _started(
            [*program, *arguments, "--protocol", self._protocol],
            rf"Scheduler at:\s+({self._protocol}://\S+)",
            self.folder / "scheduler.log",
        )
        self._port = self.address.rpartition(":")[2]
        return self.scheduler

    def start_worker(self, *arguments: str, version: str | None = None) -> subprocess.Popen[str]:
        """Start a worker and wait until it has joined. version: another one than this program's."""
        number = len(self.folders)
        folder = self.folder / f"worker-{number}"
        program = ["-m", "emulator"] if version is None else ["-c", _OTHER_VERSION, version]
        options = ["--folder", str(folder), "--listen", "127.0.0.1", *arguments]
        worker, _ = _started(
            [sys.executable, *program, "cluster-worker", self.address, *options],
            rf"has joined ({self._protocol}://\S+)",
            self.folder / f"worker-{number}.log",
        )
        self.folders[worker] = folder
        (self._special if arguments or version else self.workers).append(worker)
        return worker

    def have_workers(self, count: int) -> None:
        """Start those that are missing from this number, or kill the rest; workers of earlier tests go on."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        self.stop_workers(kept=count)
        while len(self.workers) < count:
            self.start_worker()

    def stop_workers(self, kept: int = 0) -> None:
        """Kill all workers, or all but a number of those without arguments."""
        for worker in (*self._special, *self.workers[kept:]):
            worker.kill()
            worker.wait()
        self._special.clear()
        del self.workers[kept:]

    def stop(self) -> None:
        self.stop_workers()
        self.scheduler.kill()
        self.scheduler.wait()


@contextlib.contextmanager
def encrypted(folder: Path) -> Iterator[None]:
    """Dask has a certificate and makes encrypted connections only, here and in processes that are started.

    folder: for the certificate. Skips the test without openssl.
    """
    dask = pytest.importorskip("dask", reason=HOW_TO_GET_DASK)
    certificate, key = map(str, self_signed(folder))
    settings: dict[str, object] = {
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": certificate,
    }
    for role in ("scheduler", "worker", "client"):
        settings |= {
            f"distributed.comm.tls.{role}.cert": certificate,
            f"distributed.comm.tls.{role}.key": key,
        }
    with pytest.MonkeyPatch.context() as environment, dask.config.set(settings):
        for name, value in settings.items():
            environment.setenv("DASK_" + name.upper().replace(".", "__").replace("-", "_"), str(value))
        yield


def is_running(pid: int) -> bool:
    """Whether there is a process with this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _started(command: list[str], expected: str, log: Path) -> tuple[subprocess.Popen[str], str]:
    """A process that has printed the expected line, and what the group in it was. log: gets all lines."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    found: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout, log.open("a") as file:
            for line in process.stdout:
                file.write(line)
                file.flush()
                if match := re.search(expected, line):
                    found.append(match[1])
                    ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    if not ready.wait(PATIENCE_SECONDS) or not found:
        process.kill()
        process.wait()
        pytest.fail(f"did not start: {log.read_text()}")
    return process, found[0]
