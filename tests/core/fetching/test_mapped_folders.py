"""Folders that replace servers, and attempts to leave them."""

import os
from pathlib import Path
from typing import Any

import pytest

from emulator.core.fetching.client import FetchRejected, fetch
from tests.support.web_servers import LIMIT, must_not_connect, policy, resolve_nothing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "trees").mkdir(parents=True)
    (folder / "trees" / "a b ü.jpg").write_bytes(b"tree")
    (folder / "cat.jpg").write_bytes(b"cat")
    (folder / "large.jpg").write_bytes(bytes(LIMIT + 1))
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "pictures-secret").write_bytes(b"secret")
    return folder


def fetch_mapped(url: str, *mapping: tuple[str, Path], **more: Any) -> bytes:
    return fetch(url, policy(mapping=mapping, **more), resolve=resolve_nothing, connect=must_not_connect)


@pytest.mark.parametrize("mode", ["public", "any", "off"])
@pytest.mark.parametrize("prefix", ["https://photos.example/set", "https://Photos.Example:443/set/"])
def test_mapped_urls_are_read_from_the_folder(folder: Path, prefix: str, mode: str) -> None:
    mapping = (prefix, folder)
    assert fetch_mapped("https://photos.example/set/cat.jpg?sig=1", mapping, mode=mode) == b"cat"
    assert (
        fetch_mapped("https://PHOTOS.example:443/set/trees/a%20b%20%C3%BC.jpg", mapping, mode=mode) == b"tree"
    )
    assert fetch_mapped("https://photos.example/set/trees/a b ü.jpg#x", mapping, mode=mode) == b"tree"


@pytest.mark.parametrize(
    "url",
    [
        "https://photos.example/settle/cat.jpg",
        "https://photos.example/cat.jpg",
        "https://photos.example/SET/cat.jpg",
        "https://photos.example:444/set/cat.jpg",
        "http://photos.example/set/cat.jpg",
        "https://photos.example.org/set/cat.jpg",
    ],
)
def test_other_urls_are_not_mapped(folder: Path, url: str) -> None:
    with pytest.raises(FetchRejected, match="unknown"):
        fetch_mapped(url, ("https://photos.example/set", folder))


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/none.jpg", "/trees", "/trees/", "//cat.jpg", "/./cat.jpg", "/trees/../cat.jpg",
        "/../secret", "/%2e%2e/secret", "/%2E%2e%2fsecret", "/..%2fsecret", "/..%5csecret",
        "/trees/%2e%2e/%2e%2e/secret",
        "/%2fetc%2fpasswd", "/../pictures-secret", "/cat.jpg%00", "/cat.jpg:stream", "/C:%5cwindows",
        "/cat.jpg/x", "/" + "x" * 300, "/" + "x/" * 3000,
    ],
)  # fmt: skip
def test_mapped_folder_has_no_way_out(folder: Path, path: str) -> None:
    with pytest.raises(FetchRejected, match="which has no such file"):
        fetch_mapped(f"https://photos.example/set{path}", ("https://photos.example/set", folder))


def test_links_out_of_a_mapped_folder_are_refused(folder: Path) -> None:
    try:
        (folder / "inside.jpg").symlink_to(folder / "cat.jpg")
        (folder / "outside.jpg").symlink_to(folder.parent / "secret")
        (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
        (folder / "up").symlink_to(folder.parent, target_is_directory=True)
    except OSError:
        pytest.skip("needs the right to make symbolic links: on Windows, turn on developer mode")
    mapping = ("https://photos.example", folder)
    assert fetch_mapped("https://photos.example/inside.jpg", mapping) == b"cat"
    for path in ("outside.jpg", "loop.jpg", "up/secret"):
        with pytest.raises(FetchRejected, match="which has no such file"):
            fetch_mapped(f"https://photos.example/{path}", mapping)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes: run it on Linux or macOS")
def test_only_regular_files_are_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    with pytest.raises(FetchRejected, match="which has no such file"):
        fetch_mapped("https://photos.example/pipe.jpg", ("https://photos.example", folder))


def test_mapped_file_over_the_limit_is_refused(folder: Path) -> None:
    with pytest.raises(FetchRejected, match=f"more than {LIMIT} bytes"):
        fetch_mapped("https://photos.example/large.jpg", ("https://photos.example", folder))


def test_longest_mapped_prefix_wins(folder: Path) -> None:
    mappings = [("https://photos.example", folder), ("https://photos.example/cat.jpg", folder / "trees")]
    for order in (mappings, mappings[::-1]):
        assert fetch_mapped("https://photos.example/cat.jpg/a b ü.jpg", *order) == b"tree"


def test_mapped_path_that_is_not_utf8_is_refused(folder: Path) -> None:
    with pytest.raises(FetchRejected, match="not UTF-8"):
        fetch_mapped("https://photos.example/%ff", ("https://photos.example", folder))


def test_message_does_not_tell_where_the_folder_is(folder: Path) -> None:
    with pytest.raises(FetchRejected) as caught:
        fetch_mapped("https://photos.example/none", ("https://photos.example", folder))
    assert str(folder) not in str(caught.value)


@pytest.mark.parametrize(
    "prefix", ["", "photos.example", "ftp://photos.example/", "https://photos.example/?a=1", "http://["]
)
def test_senseless_mapping_is_refused_at_once(folder: Path, prefix: str) -> None:
    with pytest.raises(ValueError, match="cannot be the beginning of a URL"):
        policy(mapping=((prefix, folder),))
