"""Two servers of one database and one object store, in the process of the test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from emulator.core.ids import Ids
from tests.support.harness import Service, running_service
from tests.support.object_stores import HOW_TO_GET_OBSTORE, folder_address
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, server


class Servers(NamedTuple):
    first: Service
    second: Service


def running_servers(folder: Path, **changes: Any) -> Iterator[Servers]:
    """The body of a fixture: two servers, closed afterwards. Skips the test without PostgreSQL."""
    pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)
    pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)
    url = server().new_database()
    both = {"database": url, "blobs": folder_address(folder / "objects"), **changes}
    try:
        for first in running_service(folder / "first", **both):
            for second in running_service(folder / "second", **both):
                for one in (first, second):
                    one.context.ids = Ids()  # those of tests would be the same ones
                yield Servers(first, second)
    finally:
        server().drop(url)
