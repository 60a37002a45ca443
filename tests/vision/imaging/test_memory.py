"""The number of the C library's heaps for the server's threads, in the memory map."""

import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from emulator.vision.imaging import memory
from tests.conftest import Serve
from tests.support.harness import files_body
from tests.support.images import pictures

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc" or sys.maxsize < 2**32,
    reason="looks for heaps of glibc in /proc: run it on 64-bit Linux with glibc",
)

_HEAP_BYTES = 64 * 2**20
CLIENTS = 12


def heaps(pid: int) -> int:
    """The number of heaps of threads: regions of 64 MB at multiples of 64 MB, used from their beginning."""
    ranges = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        place, rights, *_ = line.split()
        start, end = (int(part, 16) for part in place.split("-"))
        ranges.append((start, end, rights))
    return sum(
        start % _HEAP_BYTES == 0
        and (rights, next_rights) == ("rw-p", "---p")
        and (next_start, next_end) == (end, start + _HEAP_BYTES)
        for (start, end, rights), (next_start, next_end, next_rights) in pairwise(ranges)
    )


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [None, "6"])
def test_threads_of_the_server_share_two_heaps_unless_the_environment_sets_a_number(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if chosen:
        monkeypatch.setenv("MALLOC_ARENA_MAX", chosen)
    server = serve()
    project = server.project()
    tag = server.post(f"{project}/tags", params={"name": "a"})["id"]

    def upload(client_number: int) -> None:
        with server.new_client() as client:
            for number in range(3):
                data = pictures(8, start=1000 * client_number + 8 * number)
                client.post(f"{project}/images/files", json=files_body(data, [tag])).raise_for_status()

    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(upload, range(CLIENTS)))
    # The heap of the main thread is elsewhere.
    assert (heaps(server.pid) <= 1) == (chosen is None)


@pytest.mark.parametrize("error", [AttributeError("no mallopt"), OSError("no library"), TypeError("no name")])
def test_other_systems_do_without(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:

    def no_library(name: None) -> None:
        raise error

    monkeypatch.setattr("ctypes.CDLL", no_library)
    memory.limit_malloc_arenas()
    memory.set_mmap_threshold()
    memory.trim_heap()
