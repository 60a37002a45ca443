"""Which blobs the store lacks, found while a transaction writes: within it, no sweep can delete blobs."""

from collections.abc import Iterable, Iterator

from sqlmodel import Session

from emulator.core.context import Context
from emulator.core.thread_pools import downloading_in_parallel
from emulator.store.batches import batches


def missing(context: Context, session: Session, names: Iterable[str]) -> Iterator[str]:
    """Those of `names` that the store of blobs lacks, within the transaction of the writing `session`.

    Where several servers have one database, each look is a request to an object store. Then many are made at
    a time, and `go_on` follows each batch.
    """
    if context.database.shared is None:
        yield from (name for name in names if not context.blobs.exists(name))
        return
    for batch in batches(names):
        are_present = downloading_in_parallel(context.blobs.exists, batch)
        go_on(context, session)
        yield from (name for name, is_present in zip(batch, are_present, strict=True) if not is_present)


def go_on(context: Context, session: Session) -> None:
    """Show the database that the writing `session` is at work.

    It ends transactions of several servers that have had no statement for two minutes, since other servers
    wait for them.
    """
    if context.database.shared is not None:
        session.connection().exec_driver_sql("SELECT 1")
