"""Work that takes long has its own threads, and batches share theirs."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulator.core.thread_pools import FairPool, RequestThreads, downloading_in_parallel
from tests.support.harness import Service, test_settings

PATIENCE = 60


def test_results_have_the_order_of_the_items() -> None:
    assert downloading_in_parallel(lambda number: number * 2, range(100)) == [*range(0, 200, 2)]
    assert downloading_in_parallel(str, []) == []


def test_an_error_is_raised_when_the_others_ended() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("zero")
        done.append(number)

    with pytest.raises(ValueError, match="zero"):
        downloading_in_parallel(work, range(50))
    assert sorted(done) == [*range(1, 50)]


def test_a_batch_gets_only_its_share_of_the_threads() -> None:
    pool, release = FairPool(threads=8, most_per_batch=4), threading.Event()
    started = threading.Semaphore(0)
    lock, running, most = threading.Lock(), [0], [0]

    def silent(_number: int) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        started.release()
        release.wait(PATIENCE)

    with ThreadPoolExecutor(1) as caller:
        batch = caller.submit(pool.run, silent, range(20))
        for _ in range(4):
            assert started.acquire(timeout=PATIENCE)
        # While one batch waits for silent hosts, another one is carried out.
        assert pool.run(lambda number: number, range(100)) == [*range(100)]
        assert most[0] == 4
        release.set()
        batch.result(PATIENCE)


def test_requests_that_wait_do_not_occupy_the_threads_of_others() -> None:
    threads, release = RequestThreads(), threading.Event()
    for work in ("images", "large image", "url", "url batch"):
        for _ in range(100):
            threads.of(work).submit(release.wait, PATIENCE)  # type: ignore[arg-type]
    try:
        assert threads.of("quick").submit(lambda: "done").result(PATIENCE) == "done"
    finally:
        release.set()


def test_a_closed_application_leaves_no_threads(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    service = Service(test_settings(tmp_path))
    service.trainable()
    service.end()
    assert not [
        thread.name for thread in threading.enumerate() if "requests," in thread.name and thread not in before
    ]
