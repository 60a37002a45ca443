"""Migrations of the schema, which Alembic runs when a data folder of an older version is opened."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine


def upgrade(engine: Engine, target: str = "head") -> None:
    """Bring the database of `engine` to `target` in one transaction."""
    with engine.connect() as connection:
        # Within a transaction, this has no effect. A migration that replaces a table drops the old one, which
        # would delete the rows that refer to it.
        driver = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        try:
            with connection.begin():
                upgrade_on(connection, target)
        finally:
            driver.execute("PRAGMA foreign_keys=ON")  # type: ignore[union-attr]


def upgrade_on(connection: Connection, target: str = "head") -> None:
    """Bring a database to `target` in the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    command.upgrade(_config(Config(), connection), target)


def head() -> str:
    """The number of the newest migration."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory.from_config(_config(Config(), None)).get_current_head())


def _config(config: Any, connection: Any) -> Any:
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config
