"""The columns that refer to blobs: each is looked up before blobs are removed, and has a name in messages."""

from sqlmodel import SQLModel

from emulator.store.damage import _OWNERS
from emulator.store.references import _COLUMNS


def test_the_columns_that_refer_to_blobs_are_all_columns_with_blobs() -> None:
    columns = {
        (table.name, column.name)
        for table in SQLModel.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith("blob")
    }
    referring = [(column.class_.__tablename__, column.key) for column in _COLUMNS]
    named = [(blob.class_.__tablename__, blob.key) for _, _, blob, _ in _OWNERS]
    assert sorted(referring) == sorted(named) == sorted(columns)
