"""The executor with real child processes: jobs, progress, exceptions, warm-up, logs."""

import json
import logging
import os
import platform
import queue
import subprocess
import sys
import threading
from concurrent.futures import Executor
from pathlib import Path

import pytest

from emulator.worker.executor import JobFailed, RemoteTraceback, WorkerDied, WorkerExecutor
from tests.worker import job_functions as jobs
from tests.worker.waiting import PATIENCE, Records

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: run it on Linux or macOS")


def test_is_an_executor_that_starts_nothing_by_itself(worker: WorkerExecutor) -> None:
    assert isinstance(worker, Executor)
    assert worker.pid is None


def test_runs_jobs_in_one_child_process(worker: WorkerExecutor) -> None:
    first = worker.submit(jobs.describe_process).result(PATIENCE)
    second = worker.submit(jobs.describe_process).result(PATIENCE)
    assert first["pid"] == second["pid"] == worker.pid != os.getpid()


def test_child_does_not_run_the_parents_main_module_and_shares_its_path(worker: WorkerExecutor) -> None:
    child = worker.submit(jobs.describe_process).result(PATIENCE)
    assert child["main"] is None
    assert child["path"] == [entry or str(Path.cwd()) for entry in sys.path]


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not Path("/proc/self/statm").exists(),
    reason="memory goes back to the system with glibc: run it on Linux with glibc",
)
def test_memory_freed_by_a_job_is_returned_to_the_system(worker: WorkerExecutor) -> None:
    before = worker.submit(jobs.resident_megabytes).result(PATIENCE)
    worker.submit(jobs.hoard, 200).result(PATIENCE)
    after = worker.submit(jobs.resident_megabytes).result(PATIENCE)
    assert after - before < 50


@posix_only
def test_child_has_lower_priority_and_a_session_of_its_own(worker: WorkerExecutor) -> None:
    child = worker.submit(jobs.describe_process).result(PATIENCE)
    assert child["nice"] == min(19, os.nice(0) + 5)
    assert child["session"] == child["pid"]


@pytest.mark.skipif(
    not jobs.AUTOGROUP.exists(),
    reason="the kernel does not share processors out by session: use a Linux with CONFIG_SCHED_AUTOGROUP",
)
def test_the_session_of_the_child_has_lower_priority_too() -> None:
    """Each child has a session of its own, in which niceness alone has no effect."""
    with WorkerExecutor(nice=12) as worker:
        child = worker.submit(jobs.describe_process).result(PATIENCE)
    assert child["autogroup"].split() == [child["autogroup"].split()[0], "nice", "12"]


@pytest.mark.skipif(not jobs.OOM_SCORE.exists(), reason="the system has no such score: run it on Linux")
def test_the_child_is_ended_before_the_server_when_memory_is_exhausted(worker: WorkerExecutor) -> None:
    child = worker.submit(jobs.describe_process).result(PATIENCE)
    assert int(child["oom score"]) == 500 > int(jobs.OOM_SCORE.read_text())


def test_jobs_run_first_come_first_served(worker: WorkerExecutor, tmp_path: Path) -> None:
    lines = [str(number) for number in range(200)]
    futures = [worker.submit(jobs.append_line, tmp_path / "lines", line) for line in lines]
    for future in futures:
        future.result(PATIENCE)
    assert (tmp_path / "lines").read_text().split() == lines


def test_works_with_many_submitting_threads(worker: WorkerExecutor) -> None:
    sums: queue.Queue[int] = queue.Queue()

    def submit() -> None:
        for number in range(50):
            sums.put(worker.submit(jobs.add, number, 0).result(PATIENCE))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(sums.get_nowait() for _ in range(200)) == sorted(list(range(50)) * 4)


def test_map_of_the_standard_interface(worker: WorkerExecutor) -> None:
    assert list(worker.map(jobs.add, [1, 2, 3], [10, 20, 30], timeout=PATIENCE)) == [11, 22, 33]


def test_large_arguments_and_results(worker: WorkerExecutor) -> None:
    assert worker.submit(jobs.return_size, bytes(20_000_000)).result(PATIENCE) == 20_000_000
    assert len(worker.submit(jobs.return_bytes, 20_000_000).result(PATIENCE)) == 20_000_000


def test_progress_comes_in_order_and_before_the_result(worker: WorkerExecutor) -> None:
    reports: list[tuple[float, str]] = []
    future = worker.submit(jobs.report, 100, on_progress=lambda *report: reports.append(report))
    assert future.result(PATIENCE) == "done"
    assert reports == [(step / 100, f"step {step}") for step in range(100)]


def test_progress_stays_between_zero_and_one(worker: WorkerExecutor) -> None:
    reports: list[float] = []
    worker.submit(jobs.report_out_of_range, on_progress=lambda fraction, _: reports.append(fraction)).result(
        PATIENCE
    )
    assert reports == [0.0, 1.0, 0.0]


def test_progress_that_raises_is_logged_and_harmless(worker: WorkerExecutor, records: Records) -> None:
    def refuse(fraction: float, text: str) -> None:
        raise ValueError("no")

    assert worker.submit(jobs.report, 2, on_progress=refuse).result(PATIENCE) == "done"
    assert records.wait_for("on_progress raised").exc_info is not None


def test_thread_of_an_earlier_job_cannot_report_for_a_later_one(worker: WorkerExecutor) -> None:
    worker.submit(jobs.report_from_outliving_thread).result(PATIENCE)
    reports: list[tuple[float, str]] = []
    worker.submit(jobs.report, 3, on_progress=lambda *report: reports.append(report)).result(PATIENCE)
    assert [text for _, text in reports] == ["step 0", "step 1", "step 2"]


def test_exception_of_a_job_keeps_type_message_and_traceback(worker: WorkerExecutor) -> None:
    with pytest.raises(jobs.Unhappy, match=r"^there is no sun$") as caught:
        worker.submit(jobs.raise_unhappy).result(PATIENCE)
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "in raise_unhappy" in str(caught.value.__cause__)
    assert worker.submit(jobs.add, 1, 2).result(PATIENCE) == 3


def test_exception_that_cannot_be_rebuilt_is_reported(worker: WorkerExecutor) -> None:
    with pytest.raises(JobFailed, match=r"Particular: because of the rain$"):
        worker.submit(jobs.raise_particular).result(PATIENCE)


def test_exception_does_not_import_its_module(
    worker: WorkerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tomllib"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(JobFailed, match=r"TOMLDecodeError: not TOML"):
        worker.submit(jobs.raise_exception_of_unloaded_module).result(PATIENCE)
    assert "tomllib" not in sys.modules


def test_torch_never_reaches_the_server(worker: WorkerExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(JobFailed, match=r"torch\._named_torch is not for the server to import"):
        worker.submit(jobs.return_torch).result(PATIENCE)
    assert "torch" not in sys.modules


def test_job_that_raises_system_exit_fails_alone(worker: WorkerExecutor) -> None:
    pid = worker.submit(jobs.describe_process).result(PATIENCE)["pid"]
    with pytest.raises(JobFailed, match="SystemExit: 3"):
        worker.submit(jobs.exit_politely).result(PATIENCE)
    assert worker.submit(jobs.describe_process).result(PATIENCE)["pid"] == pid


def test_unpicklable_job_is_refused_at_once(worker: WorkerExecutor) -> None:
    with pytest.raises(TypeError, match=r"the job add or one of its arguments cannot be pickled: .*lock"):
        worker.submit(jobs.add, threading.Lock(), 1)
    with pytest.raises(TypeError, match="cannot be pickled"):
        worker.submit(lambda *, progress: None)
    assert worker.submit(jobs.add, 1, 2).result(PATIENCE) == 3


def test_unpicklable_result_fails_the_job_alone(worker: WorkerExecutor) -> None:
    with pytest.raises(TypeError, match=r"the job's result cannot be pickled: .*return_lambda"):
        worker.submit(jobs.return_lambda).result(PATIENCE)
    assert worker.submit(jobs.add, 1, 2).result(PATIENCE) == 3


def test_warm_up_runs_the_initializer_once(records: Records) -> None:
    with WorkerExecutor(initializer=jobs.initialize_and_log) as worker:
        worker.warm_up()
        worker.warm_up()
        record = records.wait_for("here I am")
        assert (record.levelno, record.getMessage()) == (logging.WARNING, "initializer: here I am")
        pid = worker.pid
        assert pid is not None
        worker.warm_up()
        assert worker.submit(jobs.describe_process).result(PATIENCE)["pid"] == pid


def test_initializer_runs_before_the_first_job() -> None:
    with WorkerExecutor(initializer=jobs.initialize) as worker:
        for _ in range(2):
            assert worker.submit(jobs.describe_process).result(PATIENCE)["initialized"] == 1


def test_warm_up_does_not_block_and_its_end_need_not_be_awaited(records: Records) -> None:
    worker = WorkerExecutor(initializer=jobs.initialize_never)
    worker.warm_up()
    records.wait_for("here I am")
    future = worker.submit(jobs.add, 1, 2)
    assert future.cancel(), "a job that waits for the warm-up can be cancelled"
    other = worker.submit(jobs.add, 1, 2)
    worker.shutdown()
    assert other.cancelled()
    assert worker.pid is None


@pytest.mark.parametrize(
    ("initializer", "reason"),
    [
        (jobs.initialize_badly, "ImportError: No module named 'something_large'"),
        (jobs.initialize_by_dying, "exited with code 9"),
    ],
)
def test_failing_warm_up_is_logged_and_the_next_job_surfaces_it(
    initializer: object, reason: str, records: Records
) -> None:
    with WorkerExecutor(initializer=initializer) as worker:  # type: ignore[arg-type]
        worker.warm_up()
        record = records.wait_for(reason)
        assert record.levelno == logging.WARNING
        for _ in range(2):
            with pytest.raises(WorkerDied, match=reason):
                worker.submit(jobs.add, 1, 2).result(PATIENCE)
        assert worker.pid is None


def test_worker_recovers_when_the_initializer_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    trouble = tmp_path / "trouble"
    trouble.touch()
    monkeypatch.setenv("TEST_WORKER_TROUBLE", str(trouble))
    with WorkerExecutor(initializer=jobs.initialize_badly_while_file_exists) as worker:
        with pytest.raises(WorkerDied, match="trouble") as caught:
            worker.submit(jobs.add, 1, 2).result(PATIENCE)
        assert isinstance(caught.value.__cause__, RemoteTraceback)
        trouble.unlink()
        assert worker.submit(jobs.add, 1, 2).result(PATIENCE) == 3


def test_interpreter_that_cannot_be_started_is_reported(
    worker: WorkerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(WorkerDied, match="did not become ready"):
            worker.submit(jobs.add, 1, 2).result(PATIENCE)
    assert worker.submit(jobs.add, 1, 2).result(PATIENCE) == 3


def test_output_of_jobs_reaches_the_log_and_not_the_stream(worker: WorkerExecutor, records: Records) -> None:
    worker.submit(jobs.be_loud).result(PATIENCE)
    expected = [
        (logging.INFO, "to standard output"),
        (logging.INFO, "to standard error"),
        (logging.INFO, r"no UTF-8 \udcff"),
        (logging.INFO, "past Python"),
        (logging.WARNING, "some.library: to the log"),
    ]
    for level, text in expected:
        record = records.queue.get(timeout=PATIENCE)
        assert (record.levelno, record.getMessage()) == (level, text)


def test_jobs_read_no_standard_input(worker: WorkerExecutor) -> None:
    assert worker.submit(jobs.read_standard_input).result(PATIENCE) == ""


def test_server_side_is_light() -> None:
    """The executor imports neither multiprocessing nor the packages of jobs."""
    program = (
        "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import emulator.worker.executor; "
        "print(json.dumps(list(sys.modules)))"
    )
    arguments = [sys.executable, "-c", program, json.dumps([entry or str(Path.cwd()) for entry in sys.path])]
    answer = subprocess.run(arguments, check=True, capture_output=True)
    loaded = {name.partition(".")[0] for name in json.loads(answer.stdout)}
    assert loaded.isdisjoint({"multiprocessing", "torch", "numpy", "onnx", "onnxruntime", "PIL"})
    assert "concurrent.futures.process" not in json.loads(answer.stdout)
