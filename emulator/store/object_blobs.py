"""Blobs in an object store by obstore: S3, Azure Blob Storage, or a folder that several machines see.

The objects are the truth; the data folder keeps a copy of each blob that was stored or read here, since
training reads files. A blob is an object first and a file then, and is deleted in the other order, so a
file here has its object.

Objects: ``blobs/ab/abcdef...``, ``trash/<UTC time>/ab/abcdef...``, ``uploads/<id>`` (`ObjectUploads`), and
`MARK`, the id of the database.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from emulator.durable_files import write_atomically
from emulator.store.blob_trash import BLOB_NAME, KEPT, TIME, time_in
from emulator.store.blobs import BlobDamaged, FolderBlobStore, link_or_copy
from emulator.store.database import BlobsRefused, BlobsUnreachable, full_disk_noticed
from emulator.store.object_errors import explained, first_line
from emulator.store.object_uploads import ObjectUploads

SCHEMES = ("s3", "az", "file")
MARK = "emulator.database"
_FOLDER = "file:"
_BLOBS, _TRASH = "blobs", "trash"
_TIMEOUT, _CONNECT_TIMEOUT = "60s", "10s"
_RETRIES, _RETRY_SECONDS = 5, 30
_log = logging.getLogger(__name__)


def open_objects(address: str, *, create: bool = True) -> Any:
    """The store at a URL such as ``s3://bucket/prefix`` or ``az://container/prefix``.

    Access and endpoint follow from the variables of its SDK, such as AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL,
    AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY.

    Args:
        create: whether to create a folder that does not exist; otherwise, an empty store stands for it.

    Raises:
        BlobsRefused: obstore is not installed, or a variable is missing or wrong.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import MemoryStore, from_url
    except ModuleNotFoundError:
        raise BlobsRefused(
            "object stores need the package obstore: pip install 'custom-vision-emulator[team]'"
        ) from None
    is_folder = address.startswith(_FOLDER)
    if is_folder and not create and not _folder_at(address).exists():
        return MemoryStore()
    more: dict[str, Any] = (
        {"mkdir": True}
        if is_folder
        else {
            "client_options": {"timeout": _TIMEOUT, "connect_timeout": _CONNECT_TIMEOUT, "allow_http": True},
            "retry_config": {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
        }
    )
    try:
        return from_url(address, **more)
    except BaseError as error:
        raise BlobsRefused(f"{address} cannot be used: {first_line(error)}") from None


def _folder_at(address: str) -> Path:
    return Path(unquote(urlsplit(address).path))


class ObjectTrash:
    """Blobs without a row in the store, kept for a time before they are deleted."""

    def __init__(self, objects: Any, address: str) -> None:
        self._objects = objects
        self.place = f"{address.rstrip('/')}/{_TRASH}"

    def batch(self, now: datetime) -> str:
        """The place of the blobs that are moved at this time, for people."""
        return f"{self.place}/{_stamp(now)}"

    @explained
    def names(self) -> Iterable[str]:
        """The names of all blobs here."""
        return [path.rpartition("/")[2] for path, _ in _listed(self._objects, _TRASH)]

    @explained
    def delete_old(self, now: datetime) -> None:
        """Delete what has been here for more than a day, and log how much."""
        old = []
        for path, size in _listed(self._objects, _TRASH):
            moved = time_in(path.split("/")[1])
            if moved is not None and now - moved > KEPT:
                old.append((path, size))
        if old:
            self._objects.delete([path for path, _ in old])
            total = sum(size for _, size in old)
            _log.warning("%d files (%d bytes) in %s were deleted", len(old), total, self.place)

    @explained
    def add(self, name: str, now: datetime) -> int:
        """Move a blob here; returns its size in bytes, 0 when there is none."""
        with suppress(FileNotFoundError):
            size = int(self._objects.head(_object(name))["size"])
            self._objects.rename(_object(name), f"{_TRASH}/{_stamp(now)}/{name[:2]}/{name}")
            return size
        return 0

    @explained
    def take(self, name: str) -> bool:
        """Move a blob back, unless it exists; returns whether it was moved."""
        is_moved = False
        for path, _ in list(_listed(self._objects, _TRASH)):
            if not path.endswith(f"/{name}"):
                continue
            if _exists(self._objects, name):
                self._objects.delete(path)
            else:
                self._objects.rename(path, _object(name))
                is_moved = True
        return is_moved


class ObjectBlobStore(FolderBlobStore):
    """The blobs of an object store, with copies in the data folder. A `BlobStore`.

    Besides the exceptions of the protocol, each method raises BlobsUnreachable.

    Args:
        objects: the result of `open_objects`.
        address: its URL.
        folder: the data folder.
        shared: whether other servers delete objects, too, so that a file here may have none.
        only_read: as for a folder.
    """

    def __init__(
        self, objects: Any, address: str, folder: Path, *, shared: bool = False, only_read: bool = False
    ) -> None:
        super().__init__(folder, durable=False, only_read=only_read)
        self._shared = shared
        self.address = address
        self._objects = objects
        self.uploads = ObjectUploads(objects)
        self._object_trash = ObjectTrash(objects, address)
        self.trash = self._object_trash

    def check(self) -> None:
        self._require_mark()

    @explained
    def put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        path = super().path(name)
        with suppress(FileNotFoundError):
            if self.verified.is_intact(path, name) and self._has_object(name):
                return name
        self._require_folder()
        self._objects.put(_object(name), data)
        _keep(path, data)
        return name

    def read(self, name: str) -> bytes:
        return self.verified_path(name).read_bytes()

    def path(self, name: str) -> Path:
        path = super().path(name)
        if not path.exists():
            with suppress(FileNotFoundError):
                self._fetch(name, path)
        return path

    def verified_path(self, name: str) -> Path:
        path = super().path(name)
        with suppress(FileNotFoundError):
            if self.verified.is_intact(path, name):
                return path
        self._fetch(name, path)
        if not self.verified.is_intact(path, name):
            raise BlobDamaged(name)
        return path

    def is_intact(self, name: str) -> bool:
        try:
            self.verified_path(name)
        except (FileNotFoundError, BlobDamaged):
            return False
        return True

    @explained
    def exists(self, name: str) -> bool:
        is_here = super().path(name).exists()
        if self._has_object(name) if is_here else _exists(self._objects, name):
            return True
        self._require_folder()
        return False

    @explained
    def names(self) -> Iterator[str]:
        self._require_folder()
        return iter(sorted(path.rpartition("/")[2] for path, _ in _listed(self._objects, _BLOBS)))

    @explained
    def delete(self, name: str) -> None:
        super().delete(name)
        with suppress(FileNotFoundError):
            self._objects.delete(_object(name))

    def move_to_trash(self, name: str, now: datetime) -> int:
        super().delete(name)
        return self._object_trash.add(name, now)

    def bring_back(self, name: str) -> bool:
        return self._object_trash.take(name)

    @explained
    def adopt(self, name: str, source: Path) -> bool:
        if self.exists(name):
            return False
        self._require_folder()
        self._objects.put(_object(name), source.read_bytes())
        target = super().path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(source, target)
        return True

    @explained
    def clear(self) -> None:
        super().clear()
        for folder in (_BLOBS, _TRASH):
            paths = [path for path, _ in _listed(self._objects, folder)]
            if paths:
                self._objects.delete(paths)

    @explained
    def database_id(self) -> str | None:
        """The id of the database whose rows refer to the blobs; None in a new store."""
        try:
            content: bytes = bytes(self._objects.get(MARK).bytes())
        except FileNotFoundError:
            return None
        return content.decode("utf-8", "replace").strip()

    @explained
    def set_database_id(self, id: str) -> None:
        self._objects.put(MARK, f"{id}\n".encode())

    def _has_object(self, name: str) -> bool:
        """Whether a blob with a file here has its object."""
        return not self._shared or _exists(self._objects, name)

    @explained
    def _require_mark(self) -> None:
        """Raise BlobsUnreachable where the mark is missing, as in a folder that is not mounted."""
        try:
            self._objects.head(MARK)
        except FileNotFoundError:
            raise BlobsUnreachable(
                f"{self.address} lacks the mark of the object store; is it mounted?"
            ) from None

    def _require_folder(self) -> None:
        """As `_require_mark` for a folder, which a write would create; a missing bucket is an error."""
        if self.address.startswith(_FOLDER):
            self._require_mark()

    @explained
    def has_any(self) -> bool:
        """Whether there are blobs, also in the trash."""
        return any(True for folder in (_BLOBS, _TRASH) for _ in _listed(self._objects, folder))

    @explained
    def download(self, name: str) -> bytes:
        """The bytes of an object, of which no copy is kept. Raises FileNotFoundError, BlobDamaged."""
        try:
            data = bytes(self._objects.get(_object(name)).bytes())
        except FileNotFoundError:
            self._require_mark()
            raise
        if hashlib.sha256(data).hexdigest() != name:
            raise BlobDamaged(name)
        return data

    @explained
    def listed(self) -> list[tuple[str, int, float]]:
        """Name, size in bytes and time of the last change, in seconds since 1970, of each object."""
        self._require_mark()
        return [
            (path.rpartition("/")[2], int(found["size"]), found["last_modified"].timestamp())
            for batch in self._objects.list(_BLOBS)
            for found in batch
            if BLOB_NAME.fullmatch((path := found["path"]).rpartition("/")[2])
        ]

    def _fetch(self, name: str, path: Path) -> None:
        """Write the copy of a blob in the data folder. Raises FileNotFoundError, BlobDamaged, StorageFull."""
        _keep(path, self.download(name))


def _keep(path: Path, data: bytes) -> None:
    """Write the copy of a blob. It need not be synchronised: a damaged one is fetched again."""
    with full_disk_noticed():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data, durable=False)


def _object(name: str) -> str:
    return f"{_BLOBS}/{name[:2]}/{name}"


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime(TIME)


def _exists(objects: Any, name: str) -> bool:
    try:
        objects.head(_object(name))
    except FileNotFoundError:
        return False
    return True


def _listed(objects: Any, folder: str) -> Iterator[tuple[str, int]]:
    """Path and size in bytes of the blobs below a folder; other objects are left out."""
    for batch in objects.list(folder):
        for found in batch:
            if BLOB_NAME.fullmatch(found["path"].rpartition("/")[2]):
                yield found["path"], int(found["size"])
