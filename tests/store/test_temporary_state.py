"""A store whose data is removed at the end is not synchronised with the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emulator.store.opening import open_store


@pytest.mark.parametrize("durable", [True, False])
def test_only_a_durable_store_synchronises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    synchronised: list[int] = []
    monkeypatch.setattr(os, "fsync", synchronised.append)
    store = open_store(tmp_path, durable=durable)
    try:
        synchronised.clear()
        name = store.blobs.put(b"data")
        assert store.blobs.read(name) == b"data"
        assert bool(synchronised) == durable
        with store.database.read() as session:
            level = session.connection().exec_driver_sql("PRAGMA synchronous").scalar()
        assert level == (2 if durable else 0)
    finally:
        store.database.close()
