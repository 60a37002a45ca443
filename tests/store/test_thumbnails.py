"""Files of thumbnails: a cache that may be incomplete, without permission, or cleared at any time."""

import threading
from pathlib import Path

import pytest

from emulator.store.thumbnails import ThumbnailFiles
from tests.support.images import picture

NAME = "ab" + "0" * 62
JPEG = picture(format="JPEG")


def test_a_kept_thumbnail_is_read_until_it_is_forgotten(tmp_path: Path) -> None:
    thumbnails = ThumbnailFiles(tmp_path)
    assert thumbnails.read(NAME) is None
    thumbnails.write(NAME, JPEG)
    assert thumbnails.read(NAME) == JPEG
    thumbnails.forget([NAME, "cd" + NAME[2:]])
    assert thumbnails.read(NAME) is None


@pytest.mark.parametrize("data", [b"", JPEG[:-2], JPEG[2:]], ids=["empty", "without end", "without start"])
def test_an_incomplete_file_counts_as_missing(tmp_path: Path, data: bytes) -> None:
    thumbnails = ThumbnailFiles(tmp_path)
    thumbnails.write(NAME, data)
    assert thumbnails.read(NAME) is None


def test_a_thumbnail_that_cannot_be_written_is_not_kept(tmp_path: Path) -> None:
    thumbnails = ThumbnailFiles(tmp_path)
    (tmp_path / "thumbnails").write_text("a file in the place of the folder")
    thumbnails.write(NAME, JPEG)
    assert thumbnails.read(NAME) is None


def test_clearing_leaves_nothing(tmp_path: Path) -> None:
    thumbnails = ThumbnailFiles(tmp_path)
    thumbnails.clear()
    thumbnails.write(NAME, JPEG)
    thumbnails.clear()
    assert thumbnails.read(NAME) is None
    for thread in threading.enumerate():
        if thread.name == "deletion of cleared files":
            thread.join()
    assert list(tmp_path.iterdir()) == []
