"""The imports of data sets of all servers of a database."""

from sqlalchemy import Engine, text

TABLE = "emulator_data_set"
TABLES = (
    """CREATE TABLE emulator_data_set (
    id VARCHAR PRIMARY KEY, created BIGINT NOT NULL, status VARCHAR NOT NULL, content VARCHAR NOT NULL)""",
)
_WRITE = text(
    """INSERT INTO emulator_data_set VALUES (:id, :created, :status, :content)
    ON CONFLICT (id) DO UPDATE SET status = excluded.status, content = excluded.content"""
)
_REPLACE = text(
    "UPDATE emulator_data_set SET status = :status, content = :content "
    "WHERE id = :id AND status = :before RETURNING id"
)
_FIND = text("SELECT content FROM emulator_data_set WHERE id = :id")
_LIST = text("SELECT content FROM emulator_data_set ORDER BY created DESC, id")
_REMOVE = text("DELETE FROM emulator_data_set WHERE id = :id")


class SharedDataSets:
    """States of imports. All methods may be called from any thread; each raises StoreUnreachable.

    Args:
        engine: connections that commit each statement.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def write(self, id: str, *, created: int, status: str, content: str) -> None:
        """Add or replace a state. created: in microseconds since 1970, which stays."""
        values = {"id": id, "created": created, "status": status, "content": content}
        with self._engine.connect() as connection:
            connection.execute(_WRITE, values)

    def replace(self, id: str, *, before: str, status: str, content: str) -> bool:
        """Replace a state that has the status `before`; False if it has another one now."""
        values = {"id": id, "before": before, "status": status, "content": content}
        with self._engine.connect() as connection:
            return connection.execute(_REPLACE, values).scalar() is not None

    def find(self, id: str) -> str | None:
        """The content of a state; None if there is none."""
        with self._engine.connect() as connection:
            found = connection.execute(_FIND, {"id": id}).scalar()
        return None if found is None else str(found)

    def contents(self) -> list[str]:
        """The contents of all states, the latest first."""
        with self._engine.connect() as connection:
            return [str(content) for content in connection.execute(_LIST).scalars()]

    def remove(self, id: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(_REMOVE, {"id": id})

    def clear(self) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql("DELETE FROM emulator_data_set")
