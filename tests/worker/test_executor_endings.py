"""The ends of worker processes and their jobs: killed, crashed, cancelled, shut down, orphaned."""

import asyncio
import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, wait
from pathlib import Path

import pytest

from emulator.worker.executor import JobFuture, WorkerDied, WorkerExecutor
from tests.support.harness import wait_until
from tests.worker import job_functions as jobs
from tests.worker.waiting import PATIENCE, Records, Reports, start_endless_job

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals: run it on Linux or macOS")


@posix_only
def test_killed_child_fails_its_job_and_not_the_next(worker: WorkerExecutor) -> None:
    future = start_endless_job(worker)
    pid = worker.pid
    assert pid is not None
    next_future = worker.submit(jobs.describe_process)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="killed by SIGKILL") as caught:
        future.result(PATIENCE)
    assert caught.value.exit_code == -signal.SIGKILL
    assert not future.cancelled()
    assert next_future.result(PATIENCE)["pid"] != pid


@posix_only
def test_child_killed_between_jobs_is_replaced(worker: WorkerExecutor) -> None:
    for _ in range(5):  # probably the kill is noticed only after the next job was sent
        worker.submit(jobs.add, 1, 2).result(PATIENCE)
        pid = worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert worker.submit(jobs.describe_process).result(PATIENCE)["pid"] != pid


def test_job_that_ends_the_process_is_not_run_again(worker: WorkerExecutor, records: Records) -> None:
    with pytest.raises(WorkerDied, match=r"exited with code 5: a last word$") as caught:
        worker.submit(jobs.exit_at_once, 5).result(PATIENCE)
    assert caught.value.exit_code == 5
    assert caught.value.last_lines == ("a last word",)
    records.wait_for("a last word")
    with pytest.raises(WorkerDied, match=r"exited with code 0$"):
        worker.submit(jobs.exit_at_once, 0).result(PATIENCE)
    assert records.queue.qsize() == 1


@posix_only
def test_crash_in_native_code_is_reported(worker: WorkerExecutor, records: Records) -> None:
    with pytest.raises(WorkerDied, match="killed by SIGSEGV"):
        worker.submit(jobs.crash).result(PATIENCE)
    records.wait_for("in crash")
    assert worker.submit(jobs.add, 1, 2).result(PATIENCE) == 3


def test_cancel_of_a_waiting_job(worker: WorkerExecutor) -> None:
    running = start_endless_job(worker)
    waiting = worker.submit(jobs.add, 1, 2)
    assert worker.cancel(waiting)
    assert waiting.cancelled()
    assert running.running()


def test_cancel_of_a_running_job_ends_its_process(worker: WorkerExecutor) -> None:
    future = start_endless_job(worker)
    pid = worker.pid
    done: list[object] = []
    future.add_done_callback(done.append)
    following = worker.submit(jobs.describe_process)
    assert future.cancel()
    assert future.cancelled() and future.done() and not future.running()
    assert future.cancel(), "as for any future, a second cancel says the same"
    assert done == [future]
    with pytest.raises(CancelledError):
        future.result()
    with pytest.raises(CancelledError):
        future.exception()
    assert wait([future], timeout=0).done == {future}
    assert following.result(PATIENCE)["pid"] != pid


@posix_only
def test_process_is_gone_when_cancel_returns(worker: WorkerExecutor) -> None:
    future = start_endless_job(worker)
    pid = worker.pid
    assert pid is not None
    future.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert worker.pid is None


def test_cancel_of_a_finished_job(worker: WorkerExecutor) -> None:
    future = worker.submit(jobs.add, 1, 2)
    future.result(PATIENCE)
    assert not future.cancel()
    assert not future.cancelled()
    assert future.result() == 3


def test_cancel_from_within_on_progress(worker: WorkerExecutor) -> None:
    futures: queue.Queue[JobFuture[None]] = queue.Queue()
    cancelled = worker.submit(jobs.never_end, on_progress=lambda *_: futures.get(timeout=PATIENCE).cancel())
    futures.put(cancelled)
    with pytest.raises(CancelledError):
        cancelled.result(PATIENCE)
    assert worker.submit(jobs.add, 1, 2).result(PATIENCE) == 3


def test_cancel_races_with_the_end_of_the_job(worker: WorkerExecutor) -> None:
    for number in range(300):
        future = worker.submit(jobs.add, number, 0)
        if future.cancel():
            with pytest.raises(CancelledError):
                future.result(PATIENCE)
        else:
            assert future.result(PATIENCE) == number
    assert worker.submit(jobs.add, 1, 2).result(PATIENCE) == 3


def test_cancelled_asyncio_task_stops_the_job(worker: WorkerExecutor) -> None:
    async def run() -> None:
        loop, started = asyncio.get_running_loop(), asyncio.Event()
        future = worker.submit(jobs.never_end, on_progress=lambda *_: loop.call_soon_threadsafe(started.set))
        wrapped = asyncio.wrap_future(future)
        await asyncio.wait_for(started.wait(), PATIENCE)
        wrapped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wrapped
        while not future.done():
            await asyncio.sleep(0)
        assert future.cancelled()

    asyncio.run(run())


def test_shutdown_of_an_executor_without_child() -> None:
    worker = WorkerExecutor()
    worker.shutdown()
    worker.shutdown()
    worker.warm_up()
    assert worker.pid is None
    with pytest.raises(RuntimeError, match="after shutdown"):
        worker.submit(jobs.add, 1, 2)


@posix_only
@pytest.mark.parametrize("wait_for_it", [True, False])
def test_shutdown_while_a_job_runs_cancels_all(wait_for_it: bool) -> None:
    worker = WorkerExecutor()
    running = start_endless_job(worker)
    pid = worker.pid
    assert pid is not None
    waiting = [worker.submit(jobs.add, number, 0) for number in range(3)]
    worker.shutdown(wait=wait_for_it)
    assert running.cancelled()
    assert all(future.cancelled() for future in waiting)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    worker.shutdown()


def test_a_child_without_work_is_ended_and_the_next_job_gets_another() -> None:
    with WorkerExecutor(idle_seconds=0.01) as worker:
        for number in range(2):
            assert worker.submit(jobs.add, number, 1).result(PATIENCE) == number + 1
            wait_until(lambda: worker.pid is None, "the end of the idle child", PATIENCE)


def test_shutdown_from_a_callback() -> None:
    worker = WorkerExecutor()
    down = threading.Event()

    def shut_down(_: object) -> None:
        worker.shutdown()
        down.set()

    worker.submit(jobs.add, 1, 2).add_done_callback(shut_down)
    assert down.wait(PATIENCE)
    worker.shutdown()


@posix_only
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_child_ignores_signals_that_the_server_decides_about(
    worker: WorkerExecutor, name: str, tmp_path: Path
) -> None:
    reports = Reports()
    future = worker.submit(jobs.wait_for_file, tmp_path / "go", on_progress=reports)
    reports.next()
    assert worker.pid is not None
    os.kill(worker.pid, getattr(signal, name))
    (tmp_path / "go").touch()
    assert future.result(PATIENCE) == "seen"


PARENT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from emulator.worker.executor import WorkerExecutor
import {module} as jobs

worker = WorkerExecutor(initializer=jobs.{initializer})
worker.warm_up()
worker.submit(jobs.{job})
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("initializer", "job"),
    [
        ("initialize", "connect_and_never_end"),
        ("initialize", "connect_and_never_rest"),
        ("initialize", "connect_and_return"),
        ("connect_and_never_become_ready", "connect_and_return"),
    ],
)
def test_child_dies_with_a_killed_parent(initializer: str, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child has a connection to this test, which is closed when its process ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        monkeypatch.setenv("TEST_WORKER_PORT", str(listener.getsockname()[1]))
        program = PARENT.format(module=jobs.__name__, initializer=initializer, job=job)
        arguments = [
            sys.executable,
            "-c",
            program,
            json.dumps([entry or str(Path.cwd()) for entry in sys.path]),
        ]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE) as parent:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                assert connection.recv(7) == b"running"
                parent.kill()
                with contextlib.suppress(ConnectionResetError):  # as Windows reports it
                    assert connection.recv(1) == b""


@posix_only
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SIGKILL", "was killed by SIGKILL; the machine may have run out of memory"),
        ("SIGBUS", "was killed by SIGBUS; the disk may be full"),
        ("SIGSEGV", "was killed by SIGSEGV"),
    ],
)
def test_the_signal_that_killed_a_child_is_reported_with_a_probable_reason(
    worker: WorkerExecutor, name: str, words: str
) -> None:
    with pytest.raises(WorkerDied) as died:
        worker.submit(jobs.kill_itself, name).result(PATIENCE)
    assert words in str(died.value)
    assert str(died.value).endswith(words)
