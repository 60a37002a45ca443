"""Archives of snapshots: zip files, for other data folders and other machines.

- ``snapshot.json``: the manifest (`emulator.core.snapshots.manifest`)
- ``database.sqlite``: the rows
- ``blobs/<sha256>``: for each entry of the manifest's `blobs`

Archives are not trusted: names are compared, not used as paths; sizes are those of the manifest, limited and
enforced while a file is unpacked; every file is hashed.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from emulator.core.rules.limits import MEGABYTE
from emulator.core.snapshots import manifest as manifests
from emulator.core.snapshots.files import DATABASE_NAME, Snapshot
from emulator.core.snapshots.manifest import Manifest, SnapshotRejected
from emulator.zip_archives import DAMAGED, ZipRejected, opened

_BLOB_FOLDER = "blobs/"
# Databases with few rows consist of empty pages, so that they are compressed well; larger ones are not.
_EXPANDED_BYTES = 64 * MEGABYTE
_EXPANSION = 50
_CHUNK_BYTES = MEGABYTE
# The same state has the same bytes at any time.
_TIME = (1980, 1, 1, 0, 0, 0)


def write_archive(snapshot: Snapshot, file: IO[bytes]) -> None:
    """Write a verified snapshot as an archive. Raises OSError."""
    manifest = snapshot.manifest.model_copy(update={"folder": ""})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_entry(manifests.FILE_NAME, zipfile.ZIP_DEFLATED), manifest.dump())
        _add(archive, _entry(DATABASE_NAME, zipfile.ZIP_DEFLATED), snapshot.database)
        for digest in manifest.blobs:  # already compressed
            _add(archive, _entry(f"{_BLOB_FOLDER}{digest}", zipfile.ZIP_STORED), snapshot.blob(digest))


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = compression
    return entry


def _add(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    entry.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(entry, "w") as target:
        while chunk := source.read(_CHUNK_BYTES):
            target.write(chunk)


class ArchiveSource:
    """The files of a snapshot in an archive. Raises SnapshotRejected.

    size: of the archive, in bytes.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        try:
            self._archive = opened(
                file, size, allowance=_EXPANDED_BYTES, expansion=_EXPANSION, what="snapshot"
            )
        except ZipRejected as rejected:
            raise SnapshotRejected(str(rejected)) from None
        entries = self._archive.infolist()
        self._entries = {entry.filename: entry for entry in entries}
        self.manifest = self._manifest()
        names = [manifests.FILE_NAME, DATABASE_NAME, *(_BLOB_FOLDER + blob for blob in self.manifest.blobs)]
        if sorted(entry.filename for entry in entries) != sorted(names):
            raise SnapshotRejected(f"It has other files than its {manifests.FILE_NAME} lists.")

    def _manifest(self) -> Manifest:
        entry = self._entries.get(manifests.FILE_NAME)
        if entry is None or entry.file_size > manifests.MANIFEST_BYTES:
            raise SnapshotRejected(f"It has no {manifests.FILE_NAME}, so it is not a snapshot.")
        try:
            text = self._archive.read(entry)
        except DAMAGED:
            raise _damaged(manifests.FILE_NAME) from None
        return manifests.parse(text)

    def takes_room(self, digest: str) -> bool:
        return True

    def fetch_database(self, target: Path) -> None:
        self._fetch(DATABASE_NAME, target, self.manifest.database_bytes, self.manifest.database_sha256)

    def fetch_blob(self, digest: str, target: Path) -> None:
        self._fetch(f"{_BLOB_FOLDER}{digest}", target, self.manifest.blobs[digest], digest)

    def _fetch(self, name: str, target: Path, size: int, digest: str) -> None:
        hashed = hashlib.sha256()
        with target.open("wb") as file:
            for chunk in self._chunks(name, size):
                hashed.update(chunk)
                file.write(chunk)
        if hashed.hexdigest() != digest:
            raise _damaged(name)

    def _chunks(self, name: str, size: int) -> Iterator[bytes]:
        entry = self._entries[name]
        if entry.file_size != size:
            raise _damaged(name)
        try:
            with self._archive.open(entry) as source:
                left = size
                while left:
                    chunk = source.read(min(left, _CHUNK_BYTES))
                    if not chunk:
                        raise _damaged(name)
                    left -= len(chunk)
                    yield chunk
        except DAMAGED:
            raise _damaged(name) from None


def _damaged(name: str) -> SnapshotRejected:
    return SnapshotRejected(f"Its file {name} is damaged: it has another size or SHA-256 than listed.")
