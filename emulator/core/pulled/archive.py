"""The archive of a project that is pulled from a resource of the service: a folder.

- ``journal.sqlite``: one row for each thing that was received, so that a pull that was killed goes on without
  requesting it again (`journal`)
- ``files/ab/<name>``: images, and the zips of exports; the name consists of the kind and the id
- ``compact-model.zip``: the export of a copy in a compact domain, if it was requested
- ``manifest.json``: what a person wants to know, written at the end

Bodies are the service's JSON without URIs, whose signatures would be secrets. A view is the workspace (an
empty text) or the id of an iteration. No key is stored.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from emulator.core.pulled.journal import ArchiveUnusable, Journal, text_of
from emulator.durable_files import UNFINISHED_PREFIX, is_disk_full, rename_durably, write_atomically

WORKSPACE = ""
MANIFEST_NAME = "manifest.json"
COMPACT_MODEL_NAME = "compact-model.zip"
_FILES = "files"
_NAME = re.compile(r"[a-z]+-[0-9A-Za-z.-]{1,200}")
# Of a file that is being written: its name and the SHA-256 of what is written.
_UNFINISHED = re.compile(rf"{re.escape(UNFINISHED_PREFIX)}({_NAME.pattern})\.([0-9a-f]{{64}})")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
_READ_AT_ONCE = 500


class StoredFile(NamedTuple):
    """A file of the archive. width, height: of an image, in pixels; 0 for others."""

    path: Path
    sha256: str
    size: int
    width: int
    height: int


class Missing(NamedTuple):
    """A thing that could not be pulled, and why."""

    kind: str
    id: str
    reason: str


class PullArchive(Journal):
    """An open archive. Its methods may be called from several threads.

    Args:
        folder: created when it is missing.
        read_only: for inserting: a folder without an archive is refused, and nothing is changed.

    Raises:
        ArchiveUnusable
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        super().__init__(folder, read_only=read_only)
        if not read_only:
            for path in (folder / _FILES).glob(f"*/{UNFINISHED_PREFIX}*"):
                self._finish(path)

    def _finish(self, path: Path) -> None:
        """Complete or delete a file that a process left that was killed while it wrote it."""
        name = _UNFINISHED.fullmatch(path.name)
        try:
            if name is not None and digest_of_file(path) == name[2]:
                rename_durably(path, path.with_name(name[1]))
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise self._cannot_write(error) from None

    # Lists of images

    def has_page(self, list_name: str, skip: int) -> bool:
        return self.one("SELECT 1 FROM page WHERE list = ? AND skip = ?", list_name, skip) is not None

    def put_page(self, view: str, skip: int, images: Sequence[dict[str, Any]]) -> None:
        """A page of the images of a view; entries with ids that are listed already replace them."""
        with self.transaction():
            for place, image in enumerate(images, skip):
                number = self._description(image)
                self.run(
                    "INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?)", view, image["id"], place, number
                )
            self.run("INSERT OR REPLACE INTO page VALUES (?, ?)", f"images/{view}", skip)

    def put_evaluated_page(self, iteration: str, skip: int, images: Sequence[dict[str, Any]]) -> None:
        """A page of the evaluation set of an iteration: objects with `id` and `predictions`."""
        with self.transaction():
            for place, image in enumerate(images, skip):
                self.run(
                    "INSERT OR REPLACE INTO evaluated VALUES (?, ?, ?, ?)",
                    iteration,
                    image["id"],
                    place,
                    text_of(image["predictions"]),
                )
            self.run("INSERT OR REPLACE INTO page VALUES (?, ?)", f"performance/{iteration}", skip)

    def forget_view(self, view: str) -> None:
        """Forget what was listed of a view, and all documents of an iteration; files stay."""
        with self.transaction():
            self.run("DELETE FROM listed WHERE view = ?", view)
            self.run("DELETE FROM page WHERE list IN (?, ?)", f"images/{view}", f"performance/{view}")
            if view != WORKSPACE:
                self.run("DELETE FROM evaluated WHERE iteration = ?", view)
                self.run("DELETE FROM document WHERE name LIKE ?", f"%/{view}%")
                self.run("DELETE FROM file WHERE kind = 'export' AND id LIKE ?", f"{view}%")

    def listed_count(self, view: str) -> int:
        return self.count("SELECT count(*) FROM listed WHERE view = ?", view)

    def listed(self, view: str) -> Iterator[dict[str, Any]]:
        """The images of a view in the order of its list."""
        last = -1
        while True:
            rows = self.all(
                "SELECT place, body FROM listed JOIN description ON number = description "
                "WHERE view = ? AND place > ? ORDER BY place LIMIT ?",
                view,
                last,
                _READ_AT_ONCE,
            )
            for place, body in rows:
                last = place
                yield orjson.loads(body)
            if len(rows) < _READ_AT_ONCE:
                return

    def images(self) -> Iterator[str]:
        """The ids of the images of all views, oldest first."""
        # Times are texts of one form, so that their order is that of the times.
        rows = self.all(
            "SELECT image FROM listed JOIN description ON number = description GROUP BY image "
            "ORDER BY min(json_extract(body, '$.created')), min(place)"
        )
        return (image for (image,) in rows)

    def descriptions(self, images: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
        """What each view says of some images: by image, then by view."""
        found: dict[str, dict[str, dict[str, Any]]] = {image: {} for image in images}
        ids = text_of(list(images))
        # Each once: in 20 views, the texts of 500 images would take 20 MB.
        bodies = self.all(
            "SELECT number, body FROM description WHERE number IN "
            "(SELECT description FROM listed WHERE image IN (SELECT value FROM json_each(?)))",
            ids,
        )
        parsed = {number: orjson.loads(body) for number, body in bodies}
        rows = self.all(
            "SELECT image, view, description FROM listed WHERE image IN (SELECT value FROM json_each(?))", ids
        )
        for image, view, number in rows:
            found[image][view] = parsed[number]
        return found

    def evaluated(self, iteration: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Id and predictions of each image of the evaluation set of an iteration."""
        for image, body in self.all(
            "SELECT image, body FROM evaluated WHERE iteration = ? ORDER BY place", iteration
        ):
            yield image, orjson.loads(body)

    def evaluated_count(self, iteration: str) -> int:
        return self.count("SELECT count(*) FROM evaluated WHERE iteration = ?", iteration)

    def _description(self, image: dict[str, Any]) -> int:
        body = text_of(image)
        digest = hashlib.sha256(body.encode()).digest()[:16]
        self.run("INSERT OR IGNORE INTO description (digest, body) VALUES (?, ?)", digest, body)
        row = self.one("SELECT number FROM description WHERE digest = ?", digest)
        assert row is not None
        return int(row[0])

    # Stored predictions

    def put_predictions(self, predictions: Iterable[dict[str, Any]], place: int) -> None:
        with self.transaction():
            for number, item in enumerate(predictions, place):
                self.run(
                    "INSERT OR IGNORE INTO prediction VALUES (?, ?, ?)", item["id"], number, text_of(item)
                )

    def predictions(self) -> Iterator[dict[str, Any]]:
        """The stored predictions, oldest first."""
        last = -1
        while rows := self.all(
            "SELECT place, body FROM prediction WHERE place > ? ORDER BY place LIMIT ?", last, _READ_AT_ONCE
        ):
            for place, body in rows:
                last = place
                yield orjson.loads(body)

    def prediction_count(self) -> int:
        return self.count("SELECT count(*) FROM prediction")

    # Files

    def path(self, kind: str, id: str) -> Path:
        """Where the file of a thing is stored. Raises ArchiveUnusable for an id that is no name."""
        name = f"{kind}-{id}"
        if not _NAME.fullmatch(name):
            raise ArchiveUnusable(f"{id[:100]!r} is no id")
        spread = hashlib.sha256(name.encode()).hexdigest()[:2]
        return self.folder / _FILES / spread / name

    def write_file(
        self, kind: str, id: str, content: bytes, *, is_accepted: Callable[[], bool] = lambda: True
    ) -> bool:
        """Write a file, which `put_file` then notes, if it is accepted; returns whether it is.

        All bytes are in the file before they are examined, and before the disk has confirmed them, which
        takes most of the time: a process that is killed meanwhile has the file all the same.

        Raises ArchiveUnusable when the disk is full.
        """
        path = self.path(kind, id)
        digest = hashlib.sha256(content).hexdigest()
        temporary = path.with_name(f"{UNFINISHED_PREFIX}{path.name}.{digest}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(temporary, _NEW_FILE, 0o600), "wb") as file:
                file.write(content)
            accepted = is_accepted()
            if accepted:
                rename_durably(temporary, path)
            else:
                temporary.unlink()
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise self._cannot_write(error) from None
        return accepted

    def _cannot_write(self, error: OSError) -> ArchiveUnusable:
        reason = "the disk is full" if is_disk_full(error) else error.strerror or str(error)
        return ArchiveUnusable(
            f"cannot write to {str(self.folder)!r}: {reason}; what was pulled is kept, run the command again"
        )

    def put_file(self, kind: str, id: str, content: bytes, width: int = 0, height: int = 0) -> None:
        """Note a file that was written."""
        digest = hashlib.sha256(content).hexdigest()
        self.run(
            "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, NULL)",
            kind,
            id,
            digest,
            len(content),
            width,
            height,
        )

    def adopt_file(self, kind: str, id: str, source: str, sha256: str, size: int) -> None:
        """Take over a complete file, which is renamed."""
        try:
            Path(source).replace(self.path(kind, id))
        except OSError as error:
            raise self._cannot_write(error) from None
        self.run("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, 0, 0, NULL)", kind, id, sha256, size)

    def put_reason(self, kind: str, id: str, reason: str) -> None:
        """Note why a thing has no file, or is not there at all."""
        self.run("INSERT OR REPLACE INTO file VALUES (?, ?, NULL, NULL, NULL, NULL, ?)", kind, id, reason)

    def forget_reasons(self) -> None:
        """What was missing is to be tried again."""
        self.run("DELETE FROM file WHERE reason IS NOT NULL")

    def file(self, kind: str, id: str) -> StoredFile | None:
        row = self.one(
            "SELECT sha256, size, width, height FROM file WHERE kind = ? AND id = ? AND reason IS NULL",
            kind,
            id,
        )
        return None if row is None else StoredFile(self.path(kind, id), *row)

    def is_settled(self, kind: str, id: str) -> bool:
        """Whether a thing has its file, or a reason why not."""
        return self.one("SELECT 1 FROM file WHERE kind = ? AND id = ?", kind, id) is not None

    def reasons(self) -> list[Missing]:
        """All that is missing."""
        return [
            Missing(*row)
            for row in self.all(
                "SELECT kind, id, reason FROM file WHERE reason IS NOT NULL ORDER BY kind, id"
            )
        ]

    def files(self) -> Iterator[tuple[str, str, str, int]]:
        """Kind, id, SHA-256 and size of each file."""
        yield from self.all("SELECT kind, id, sha256, size FROM file WHERE reason IS NULL ORDER BY kind, id")

    def file_totals(self, kind: str) -> tuple[int, int]:
        """Number and bytes of the files of a kind."""
        row = self.one(
            "SELECT count(*), coalesce(sum(size), 0) FROM file WHERE kind = ? AND reason IS NULL", kind
        )
        assert row is not None
        return int(row[0]), int(row[1])

    def unsettled_images(self) -> list[tuple[str, str]]:
        """Images without a file, each with a view that lists it: the workspace if it does."""
        return [
            (image, view)
            for image, view in self.all(
                "SELECT image, min(view) FROM listed WHERE NOT EXISTS "
                "(SELECT 1 FROM file WHERE kind = 'image' AND id = image) "
                "GROUP BY image ORDER BY min(view), min(place)"
            )
        ]

    def view_of(self, image: str) -> str:
        """A view that lists an image: the workspace if it does."""
        row = self.one("SELECT min(view) FROM listed WHERE image = ?", image)
        return str(row[0] or WORKSPACE)

    def image_count(self) -> int:
        """The number of images in any view."""
        return self.count("SELECT count(DISTINCT image) FROM listed")

    def unsettled_predictions(self) -> int:
        return self.count(
            "SELECT count(*) FROM prediction WHERE NOT EXISTS "
            "(SELECT 1 FROM file WHERE kind = 'prediction' AND file.id = prediction.id)"
        )

    def forget_unlisted_images(self) -> None:
        """Delete the files of images that no view lists any more."""
        gone = self.all("SELECT id FROM file WHERE kind = 'image' AND id NOT IN (SELECT image FROM listed)")
        for (image,) in gone:
            self.path("image", image).unlink(missing_ok=True)
            self.run("DELETE FROM file WHERE kind = 'image' AND id = ?", image)

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        try:
            write_atomically(self.folder / MANIFEST_NAME, f"{text}\n".encode())
        except OSError as error:
            raise self._cannot_write(error) from None


def digest_of_file(path: Path | str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def private_files() -> Iterator[None]:
    """Files that this process creates meanwhile can be read by their owner alone."""
    previous = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(previous)
