"""The mark of a data folder, and of an object store, whose rows are in a database on a server.

Rows are useless without their images and models, and blobs to which the rows of another database do not refer
would be deleted. So what has the blobs has the id of the database, too.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from emulator.durable_files import write_atomically
from emulator.store.blobs import has_blobs
from emulator.store.database import FILE_NAME as SQLITE_FILE
from emulator.store.database import BlobsRefused, DatabaseRefused
from emulator.store.references import any_referenced

if TYPE_CHECKING:
    from emulator.store.object_blobs import ObjectBlobStore
    from emulator.store.postgresql import PostgresqlDatabase

FILE_NAME = "emulator.database"
# Follows the id in the file of a folder whose blobs are copies of those of an object store.
_OBJECTS = "objects"


def is_marked(folder: Path) -> bool:
    """Whether the rows of a data folder are in a database on a server."""
    return (folder / FILE_NAME).exists()


def refuse_marked(folder: Path) -> None:
    """Raise DatabaseRefused if the rows of a data folder are in a database on a server."""
    if is_marked(folder):
        raise DatabaseRefused(
            f"the rows of {folder} are in a database on a server; give its URL with --database"
        )


def foreign_rows(
    folder: Path, database: "PostgresqlDatabase", objects: "ObjectBlobStore | None" = None
) -> str | None:
    """Check that a database, a data folder and an object store belong together.

    Returns what is lost otherwise: the database has rows whose blobs are elsewhere.

    Raises:
        DatabaseRefused: the folder or the object store belongs to another database.
    """
    is_own = _check_folder(folder, database, objects is not None)
    if objects is not None:
        is_own = _check_objects(objects, database)
    if is_own:
        return None
    with database.read() as session:
        if any_referenced(session):
            place = folder if objects is None else objects.address
            return f"{database.name} has rows of images and models that are elsewhere than in {place}"
    return None


def write_marks(
    folder: Path, database: "PostgresqlDatabase", objects: "ObjectBlobStore | None" = None
) -> None:
    """Let a data folder and an object store belong to a database."""
    if objects is not None and objects.database_id() != database.id:
        objects.set_database_id(database.id)
    if not is_marked(folder):
        write_atomically(folder / FILE_NAME, f"{_line(database, objects is not None)}\n".encode())


def _line(database: "PostgresqlDatabase", with_objects: bool) -> str:
    """The mark of a folder."""
    return f"{database.id} {_OBJECTS}" if with_objects else database.id


def _check_folder(folder: Path, database: "PostgresqlDatabase", with_objects: bool) -> bool:
    """Whether a folder belongs to the database; False for a new one. Raises DatabaseRefused for others."""
    if is_marked(folder):
        content = (folder / FILE_NAME).read_text(encoding="utf-8", errors="replace").split()
        if content[:1] != [database.id]:
            raise DatabaseRefused(
                f"the rows of {folder} are in another database than {database.name}; give the URL of that "
                "one, or another data folder"
            )
        if (_OBJECTS in content) != with_objects:
            where = "in the folder: leave out --blobs" if with_objects else "in an object store: give --blobs"
            raise DatabaseRefused(
                f"the images and models of {folder} are {where}, or give another data folder"
            )
        return True
    if (folder / SQLITE_FILE).exists():
        raise DatabaseRefused(
            f"{folder} has a database of its own; give another data folder, and copy everything with "
            "migrate-store"
        )
    if has_blobs(folder):
        line = _line(database, with_objects)
        raise DatabaseRefused(_without_mark(folder / FILE_NAME, line, database.name, "data folder"))
    return False


def _check_objects(objects: "ObjectBlobStore", database: "PostgresqlDatabase") -> bool:
    """Whether an object store belongs to the database; False for a new one. Raises BlobsRefused."""
    found = objects.database_id()
    if found is None and objects.has_any():
        mark = f"{objects.address.rstrip('/')}/{FILE_NAME}"
        raise BlobsRefused(_without_mark(mark, database.id, database.name, "prefix with --blobs"))
    if found not in (None, database.id):
        raise BlobsRefused(
            f"{objects.address} has images or models of another database than {database.name}; give another "
            "prefix with --blobs"
        )
    return found is not None


def _without_mark(mark: Path | str, line: str, database: str, other: str) -> str:
    """The reason to refuse blobs of which only a person can know whether they are those of a database."""
    return (
        f"there are images or models, but the mark {mark} is missing, which names their database; give "
        f"another {other}, or, if they are those of {database}, "
        f"put the mark back, a file with the line: {line}"
    )
