"""Blobs in an object store: a folder, moto's S3 and Azurite's Blob Storage."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emulator.store.blobs import BlobDamaged
from emulator.store.database import DatabaseRefused, StoreUnreachable
from tests.support.object_stores import HOW_TO_GET_OBSTORE, AzureServer, S3Server, folder_address

pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)

from emulator.store.object_blobs import MARK, ObjectBlobStore, open_objects

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
Open = Callable[[str], ObjectBlobStore]


@pytest.fixture(scope="module", params=["folder", "s3", "azure"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an object store, whose variables are set."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "folder":
            yield folder_address(tmp_path_factory.mktemp("objects"))
            return
        server = S3Server() if request.param == "s3" else AzureServer(tmp_path_factory.mktemp("azurite"))
        for name, value in server.variables.items():
            patch.setenv(name, value)
        yield server.address
        server.stop()


@pytest.fixture
def opened(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> Open:
    """Opens the store of this test, with its copies in a folder of the given name."""
    prefix = hashlib.sha256(request.node.name.encode()).hexdigest()[:16]
    address = f"{place}/{prefix}"
    ObjectBlobStore(open_objects(address), address, tmp_path).set_database_id("id")
    return lambda name: ObjectBlobStore(open_objects(address), address, tmp_path / name)


def test_what_one_server_stores_another_one_reads(opened: Open) -> None:
    here, there = opened("here"), opened("there")
    name = here.put(b"content")
    assert name == hashlib.sha256(b"content").hexdigest()
    assert there.exists(name)
    assert there.read(name) == b"content"
    assert there.path(name).read_bytes() == there.verified_path(name).read_bytes() == b"content"
    assert there.is_intact(name)
    assert list(there.names()) == [name]


def test_what_is_missing_is_not_found(opened: Open) -> None:
    store, name = opened("here"), "0" * 64
    assert not store.exists(name)
    assert not store.is_intact(name)
    assert not store.path(name).exists()
    assert list(store.names()) == list(store.trash.names()) == []
    store.delete(name)
    assert store.move_to_trash(name, NOW) == 0
    assert not store.bring_back(name)
    for read in (store.read, store.verified_path):
        with pytest.raises(FileNotFoundError):
            read(name)


def test_a_damaged_copy_is_replaced_and_a_damaged_object_is_noticed(opened: Open, place: str) -> None:
    here, there = opened("here"), opened("there")
    name = here.put(b"content")
    here.path(name).write_bytes(b"damaged")
    assert here.read(name) == b"content"
    here.path(name).write_bytes(b"")
    assert here.is_intact(name)
    there._objects.put(f"blobs/{name[:2]}/{name}", b"damaged")
    assert not there.is_intact(name)
    with pytest.raises(BlobDamaged):
        there.read(name)


def test_a_deleted_blob_is_gone_everywhere(opened: Open) -> None:
    here = opened("here")
    name = here.put(b"content")
    here.delete(name)
    assert not here.exists(name)
    assert not opened("there").exists(name)
    assert here.put(b"content") == name
    assert opened("third").read(name) == b"content"


def test_the_trash_keeps_blobs_for_a_day(opened: Open) -> None:
    store = opened("here")
    first, second = store.put(b"first"), store.put(b"second")
    assert store.move_to_trash(first, NOW) == len(b"first")
    assert store.move_to_trash(second, NOW + timedelta(days=1)) == len(b"second")
    assert not store.exists(first)
    assert sorted(store.trash.names()) == sorted([first, second])
    store.trash.delete_old(NOW + timedelta(days=1, seconds=1))
    assert list(store.trash.names()) == [second]
    assert store.bring_back(second)
    assert store.read(second) == b"second"
    assert list(store.trash.names()) == []
    assert str(store.trash.batch(NOW)).endswith("/trash/20260304T050607Z")


def test_files_are_shared_and_adopted(opened: Open, tmp_path: Path) -> None:
    here, there = opened("here"), opened("there")
    name = here.put(b"content")
    there.share(name, tmp_path / "shared")
    assert (tmp_path / "shared").read_bytes() == b"content"
    assert not there.adopt(name, tmp_path / "shared")
    here.delete(name)
    there.delete(name)
    assert there.adopt(name, tmp_path / "shared")
    assert here.read(name) == b"content"


def test_clearing_deletes_all(opened: Open) -> None:
    store = opened("here")
    store.move_to_trash(store.put(b"first"), NOW)
    name = store.put(b"second")
    assert store.has_any()
    store.clear()
    assert not store.has_any()
    assert not store.exists(name)
    assert not store.path(name).exists()
    assert opened("there").database_id() == "id"


def test_objects_are_read_and_listed_without_a_copy(opened: Open, tmp_path: Path) -> None:
    here, there = opened("here"), opened("there")
    name = here.put(b"content")
    assert there.download(name) == b"content"
    ((found, size, changed),) = there.listed()
    assert (found, size) == (name, 7)
    assert abs(changed - datetime.now(UTC).timestamp()) < 3600
    assert not (tmp_path / "there").exists() or not list((tmp_path / "there").rglob("blobs/*/*"))
    there._objects.put(f"blobs/{name[:2]}/{name}", b"damaged")
    with pytest.raises(BlobDamaged):
        there.download(name)
    with pytest.raises(FileNotFoundError):
        there.download("0" * 64)


def test_uploads_are_kept_until_they_are_removed(opened: Open, tmp_path: Path) -> None:
    here, there = opened("here").uploads, opened("there").uploads
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    content = bytes(range(256)) * 45_000  # more than a part of an upload
    source.write_bytes(content)
    here.put("one", source)
    here.put("two", source)
    assert there.exists("one")
    ages = there.ages()
    assert ages.keys() == {"one", "two"}
    assert all(age < 3600 for age in ages.values())
    there.fetch("one", target)
    assert target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    for _ in range(2):
        there.remove("one")
    assert not here.exists("one")
    with pytest.raises(FileNotFoundError):
        here.fetch("one", target)
    here.clear()
    assert there.ages() == {}


def test_a_store_without_its_mark_is_not_ready(opened: Open) -> None:
    store = opened("here")
    store.check()
    store._objects.delete(MARK)
    with pytest.raises(StoreUnreachable, match="is it mounted"):
        store.check()
    with pytest.raises(StoreUnreachable, match="is it mounted"):
        store.read("0" * 64)


def test_a_folder_that_is_away_is_not_created(tmp_path: Path) -> None:
    share, away = tmp_path / "a share", tmp_path / "away"
    address = folder_address(share)
    store = ObjectBlobStore(open_objects(address), address, tmp_path / "data")
    store.set_database_id("id")
    kept = store.put(b"kept")
    share.rename(away)
    source = tmp_path / "source"
    source.write_bytes(b"adopted")
    for use in (
        lambda: store.put(b"content"),
        lambda: store.adopt(hashlib.sha256(b"adopted").hexdigest(), source),
        lambda: store.exists("0" * 64),
        lambda: list(store.names()),
        store.check,
    ):
        with pytest.raises(StoreUnreachable, match=r"is it mounted\?"):
            use()
    assert not share.exists()
    away.rename(share)
    stored = store.put(b"content")
    assert set(store.names()) == {kept, stored}


def test_a_folder_is_created_only_when_wanted(tmp_path: Path) -> None:
    address = folder_address(tmp_path / "a share" / "below")
    assert list(open_objects(address, create=False).list()) == []
    assert not (tmp_path / "a share").exists()
    open_objects(address)
    assert (tmp_path / "a share" / "below").is_dir()


def test_a_store_that_does_not_respond(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.store.object_blobs._RETRIES", 0)
    for name, value in S3Server.variables_of("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    store = ObjectBlobStore(open_objects("s3://bucket"), "s3://bucket", tmp_path)
    for use in (lambda: store.put(b"x"), lambda: store.read("0" * 64), lambda: list(store.names())):
        with pytest.raises(StoreUnreachable) as failed:
            use()
        assert "\n" not in str(failed.value)


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DatabaseRefused, match="Account must be specified"):
        open_objects("az://container")
