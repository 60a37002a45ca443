"""The store of a run of the tests, which `Service` and `LiveServer` use for each data folder.

Chosen by environment variables, which ``make test-team`` sets:

- EMULATOR_TEST_STORE=postgresql: the rows are on PostgreSQL, in a database for each data folder.
- EMULATOR_TEST_BLOBS=azurite or s3: images and models are in Azurite or in moto's S3, too, below a prefix for
  each data folder.

Otherwise, both are in the data folder. A test that gives a database to its servers is not affected, nor is
a folder that has a database of its own. The servers are started when needed, one of each for a process of
pytest.
"""

import atexit
import functools
import importlib.util
import os
import tempfile
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from emulator.store.database import FILE_NAME
from tests.support import object_stores, postgresql

ROWS, BLOBS = "EMULATOR_TEST_STORE", "EMULATOR_TEST_BLOBS"
_AZURITE, _S3 = "azurite", "s3"
_numbers = count(1)


class Store(NamedTuple):
    """The URLs of a database and an object store; None for the data folder."""

    database: str
    blobs: str | None

    @property
    def variables(self) -> dict[str, str]:
        """The environment that names it for a server."""
        blobs = {} if self.blobs is None else {"CUSTOM_VISION_EMULATOR_BLOBS": self.blobs}
        return {"CUSTOM_VISION_EMULATOR_DATABASE": self.database} | blobs


_stores: dict[Path, Store] = {}


def is_postgresql() -> bool:
    """Whether the rows are on PostgreSQL in this run."""
    return os.environ.get(ROWS) == "postgresql"


def has_objects() -> bool:
    """Whether images and models are in an object store in this run."""
    return os.environ.get(BLOBS, "files") != "files"


def description() -> str | None:
    """What was chosen; None for the data folder."""
    if not is_postgresql():
        return None
    return f"store: PostgreSQL, images and models in {os.environ.get(BLOBS, 'files')}"


def reason_against() -> str | None:
    """Why this run is not possible: a variable has an unknown value, or how to get what is missing."""
    rows, blobs = os.environ.get(ROWS, "sqlite"), os.environ.get(BLOBS, "files")
    if rows not in ("sqlite", "postgresql"):
        return f"{ROWS} must be sqlite or postgresql, not {rows}"
    if blobs not in ("files", _AZURITE, _S3):
        return f"{BLOBS} must be files, {_AZURITE} or {_S3}, not {blobs}"
    if blobs != "files" and rows != "postgresql":
        return f"{BLOBS}={blobs} needs {ROWS}=postgresql"
    if rows == "postgresql":
        if importlib.util.find_spec("psycopg") is None:
            return postgresql.HOW_TO_GET_PSYCOPG
        if postgresql.programs() is None:
            return postgresql.HOW_TO_GET_IT
    if blobs != "files" and importlib.util.find_spec("obstore") is None:
        return object_stores.HOW_TO_GET_OBSTORE
    if blobs == _S3 and importlib.util.find_spec("moto") is None:
        return object_stores.HOW_TO_GET_MOTO
    if blobs == _AZURITE and not object_stores.is_azurite_installed():
        return object_stores.HOW_TO_GET_AZURITE
    return None


def store_of(folder: Path) -> Store | None:
    """The store of a data folder, a new one at first; None unless one was chosen."""
    if not is_postgresql() or (folder / FILE_NAME).exists():
        return None
    if folder not in _stores:
        blobs = f"{_objects().address}/{next(_numbers)}" if has_objects() else None
        _stores[folder] = Store(postgresql.server().free_database(), blobs)
    return _stores[folder]


def existing_store_of(folder: Path) -> Store | None:
    """The store of a data folder; None if its store is the folder."""
    return _stores.get(folder)


def free_store_of(folder: Path) -> None:
    """Empty the store of a data folder, if it has one, of which no server is running."""
    store = _stores.pop(folder, None)
    if store is None:
        return
    postgresql.server().free(store.database)
    if store.blobs is not None:
        objects = _opened(store.blobs)
        paths = [found["path"] for batch in objects.list() for found in batch]
        if paths:
            objects.delete(paths)


def end_leases_of(folder: Path) -> None:
    """Let the time pass after which others may execute the jobs of a server of this folder that has ended."""
    store = existing_store_of(folder)
    if store is not None and store.blobs is not None:
        postgresql.execute(store.database, "UPDATE emulator_lease SET token = ''")


def objects_of(folder: Path) -> Any | None:
    """The object store of a data folder, with the functions of obstore; None if its blobs are files."""
    store = existing_store_of(folder)
    return None if store is None or store.blobs is None else _opened(store.blobs)


@functools.lru_cache(maxsize=16)
def _opened(address: str) -> Any:
    from emulator.store.object_blobs import open_objects

    return open_objects(address)


@functools.cache
def _objects() -> object_stores.S3Server | object_stores.AzureServer:
    """The server of the objects of this process of pytest. The variables that name it stay set."""
    made: object_stores.S3Server | object_stores.AzureServer
    if os.environ[BLOBS] == _S3:
        made = object_stores.S3Server()
    else:
        made = object_stores.AzureServer(Path(tempfile.mkdtemp(prefix="azurite-")))
    atexit.register(made.stop)
    os.environ.update(made.variables)
    return made
