"""The archive of a pulled project is used by one process at a time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulator.core.pulled.archive import PullArchive
from emulator.core.pulled.journal import ArchiveUnusable


def test_an_archive_that_another_thread_closes_is_free(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as opening, ThreadPoolExecutor(1) as closing:
        archive = opening.submit(PullArchive, tmp_path / "archive").result()
        with pytest.raises(ArchiveUnusable, match="another process uses"):
            PullArchive(tmp_path / "archive")
        closing.submit(archive.close).result()
        PullArchive(tmp_path / "archive").close()
