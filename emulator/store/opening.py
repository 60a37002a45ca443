"""Opening the store of a data folder, unless rows that were committed are missing or damaged."""

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlmodel import Session, col, select

from emulator.store import server_mark
from emulator.store.batches import batches
from emulator.store.blobs import FolderBlobStore, has_blobs
from emulator.store.commit_counter import CommitCounter, missing_commits
from emulator.store.damage_check import is_damage, reading, structural_damage
from emulator.store.database import FILE_NAME, Database, DatabaseDamaged, DatabaseRefused
from emulator.store.references import referenced
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Job, JobKind

if TYPE_CHECKING:
    from emulator.store.object_blobs import ObjectBlobStore
    from emulator.store.postgresql_reading import PostgresqlReader

# Databases up to this size are checked before they are used. A megabyte takes about 2 ms.
_CHECKED_AT_ONCE_BYTES = 4 * 2**20
# In a folder without a count of commits, rows are missing when there are more than this number of blobs, and
# more than half of them have no row.
_BLOBS_WITHOUT_DOUBT = 10
_REMEDY = (
    f"put a copy of {FILE_NAME} back, together with its {FILE_NAME}-wal if there is one, or start once with "
    "--accept-data-loss to go on without what is lost"
)
_log = logging.getLogger(__name__)


class DataLost(DatabaseRefused):
    """The database is damaged, or lacks rows that were committed."""


class Store(NamedTuple):
    """The open store of a data folder.

    loss: what was found to be lost and was accepted; None when all is there, as far as is known.
    """

    database: Database
    blobs: FolderBlobStore
    loss: str | None


def open_store(folder: Path, *, accept_data_loss: bool = False, durable: bool = True) -> Store:
    """Open the database and the blobs of a data folder, creating what a new folder lacks.

    A database that is missing, damaged or incomplete is not changed before it is refused.

    Args:
        accept_data_loss: log the loss and go on. A file that cannot be read as a database is renamed.
        durable: whether what is stored must survive a power cut.

    Raises:
        DataLost: the database is damaged, or lacks rows that were committed.
        DatabaseRefused: the database is not one of this program, or of a newer version.
    """
    server_mark.refuse_marked(folder)
    counted = CommitCounter(folder).read()
    loss = loss_in_file(folder, counted)
    if loss is not None:
        _accept(loss, accept_data_loss)
    database, unreadable = _open_database(folder, accept_data_loss, durable)
    loss = loss or unreadable
    try:
        blobs = FolderBlobStore(folder, durable=durable)
        if counted is None and loss is None:
            loss = _loss_of_rows(database, blobs)
            if loss is not None:
                _accept(loss, accept_data_loss)
    except BaseException:
        database.close()
        raise
    database.count_commits()
    return Store(database=database, blobs=blobs, loss=loss)


def open_server_store(
    folder: Path,
    address: str,
    blobs_address: str | None = None,
    *,
    accept_data_loss: bool = False,
    exclusive: bool = False,
) -> Store:
    """Open a database on a server, and the blobs of a data folder or of an object store.

    With an object store, other servers may use both, too.

    Args:
        address: the URL of the database, see `PostgresqlDatabase`.
        blobs_address: the URL of the object store, see `open_objects`; None for the blobs of the folder.
        accept_data_loss: go on although the images and models of the rows are elsewhere.
        exclusive: refuse a database that other servers use, in any case.

    Raises:
        DataLost: the blobs of the rows are elsewhere.
        DatabaseRefused: the database or the object store cannot be used, or they do not belong together.
        StoreUnreachable: a server does not respond.
    """
    from emulator.store.object_blobs import ObjectBlobStore, open_objects  # here, for a fast start
    from emulator.store.postgresql import PostgresqlDatabase
    from emulator.store.shared_postgresql import SharedPostgresqlDatabase

    database: PostgresqlDatabase
    if blobs_address is not None and not exclusive:
        database = SharedPostgresqlDatabase(address)
    else:
        database = PostgresqlDatabase(address)
    try:

        def opened(*, create: bool) -> ObjectBlobStore | None:
            if blobs_address is None:
                return None
            store = open_objects(blobs_address, create=create)
            return ObjectBlobStore(store, blobs_address, folder, shared=database.shared is not None)

        loss = server_mark.foreign_rows(folder, database, opened(create=False))
        if loss is not None:
            if not accept_data_loss:
                raise DataLost(f"{loss}; give that place, or go on without them with --accept-data-loss")
            _log.error("%s; going on without what is lost (--accept-data-loss)", loss)
        objects = opened(create=True)
        server_mark.write_marks(folder, database, objects)
        return Store(database=database, blobs=objects or FolderBlobStore(folder), loss=loss)
    except BaseException:
        database.close()
        raise


class ServerStore(NamedTuple):
    """A store on a server that is only read. objects: None where the blobs are in the data folder."""

    database: "PostgresqlReader"
    objects: "ObjectBlobStore | None"


def read_server_store(folder: Path, address: str, blobs_address: str | None = None) -> ServerStore:
    """The store that servers with these options use, which may be running; nothing of it is changed.

    Args:
        folder: the data folder; with an object store, it need not exist.
        address: as for `open_server_store`. blobs_address: the same.

    Raises:
        DatabaseRefused: the database, the folder and the object store do not belong together, or cannot be
            read by this version.
        StoreUnreachable: a server does not respond.
    """
    from emulator.store.object_blobs import ObjectBlobStore, open_objects  # here, for a fast start
    from emulator.store.postgresql_reading import PostgresqlReader

    database = PostgresqlReader(address)
    try:
        objects = None
        if blobs_address is not None:
            found = open_objects(blobs_address, create=False)
            objects = ObjectBlobStore(found, blobs_address, folder, only_read=True)
        place = folder if objects is None else blobs_address
        loss = server_mark.foreign_rows(folder, database, objects)
        if loss is not None:
            raise DatabaseRefused(f"{loss}; give that place")
        if objects is None and not server_mark.is_marked(folder):
            raise DatabaseRefused(f"{place} has no images or models of {database.name}")
        return ServerStore(database, objects)
    except BaseException:
        database.close()
        raise


def _accept(loss: str, is_accepted: bool) -> None:
    if not is_accepted:
        raise DataLost(f"{loss}; {_REMEDY}")
    _log.error("%s; going on without what is lost (--accept-data-loss)", loss)


def loss_in_file(folder: Path, counted: int | None) -> str | None:
    """What the files of the database show to be lost. They are not changed, and a missing one not created."""
    path = folder / FILE_NAME
    is_missing = not path.exists()
    if is_missing or path.stat().st_size == 0:
        # SQLite would delete the log without its database.
        return _loss_without_rows(folder, counted, "is missing" if is_missing else "is empty")
    try:
        with reading(path) as connection:
            (number,) = connection.execute("PRAGMA user_version").fetchone()
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                return _loss_without_rows(folder, counted, "is empty")
            if counted is not None and (missing := missing_commits(number, counted)):
                return f"{path} lacks the last {missing} of {counted} changes that were stored"
            if path.stat().st_size <= _CHECKED_AT_ONCE_BYTES:
                damage = structural_damage(connection)
                if damage is not None:
                    return f"{path} is damaged ({damage})"
    except sqlite3.Error as error:
        if is_damage(error):
            return f"{path} is damaged ({error})"
        # Opening it below fails for the same reason.
    return None


def _loss_without_rows(folder: Path, counted: int | None, state: str) -> str | None:
    path = folder / FILE_NAME
    if has_blobs(folder):
        return f"{path} {state}, but the folder has images or models"
    log = path.with_name(f"{FILE_NAME}-wal")
    if counted or (log.exists() and log.stat().st_size):
        return f"{path} {state}, but projects were stored in it"
    return None


def _open_database(folder: Path, accept_data_loss: bool, durable: bool) -> tuple[SqliteDatabase, str | None]:
    """The database, and the accepted loss when it is a new one in place of one that cannot be read."""
    try:
        database = SqliteDatabase(folder, durable=durable)
        try:
            database.check()
        except BaseException:
            database.close()
            raise
        return database, None
    except DatabaseDamaged as damaged:
        loss = f"{folder / FILE_NAME} is damaged ({damaged})"
        if not accept_data_loss:
            raise DataLost(f"{loss}; {_REMEDY}") from damaged
    kept = _set_aside(folder)
    _log.error("%s; it is now %s, and the new database is empty", loss, kept)
    return SqliteDatabase(folder, durable=durable), loss


def _set_aside(folder: Path) -> Path:
    """Rename the files of the database; returns the new name."""
    number = 1
    while (kept := folder / f"{FILE_NAME}.damaged-{number}").exists():
        number += 1
    (folder / FILE_NAME).rename(kept)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            (folder / f"{FILE_NAME}{suffix}").rename(f"{kept}{suffix}")
    return kept


def _loss_of_rows(database: SqliteDatabase, blobs: FolderBlobStore) -> str | None:
    """The loss in a folder whose commits were not counted, written by an older version."""
    names = list(blobs.names())
    if len(names) <= _BLOBS_WITHOUT_DOUBT:
        return None
    with database.read() as session:
        if _waits_for_import(session):  # it stores blobs before their rows
            return None
        unused = len(names) - sum(len(referenced(session, batch)) for batch in batches(names))
    if 2 * unused <= len(names):
        return None
    return f"{database.path} has no row for {unused} of {len(names)} images and models in the folder"


def _waits_for_import(session: Session) -> bool:
    return (
        session.exec(select(Job.id).where(col(Job.kind).in_((JobKind.IMPORT, JobKind.DATA_SET)))).first()
        is not None
    )
