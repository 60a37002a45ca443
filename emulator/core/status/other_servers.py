"""Whether the other servers of the database have the same options as this one."""

import logging
import os
import socket
from collections.abc import Mapping

from emulator.core.context import Context
from emulator.store.database import StoreUnreachable
from emulator.store.shared_state import SharedState

_log = logging.getLogger(__name__)


def server_name() -> str:
    """The name of this server among those of a database: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def register(shared: SharedState, options: Mapping[str, str]) -> None:
    """Add this server to those of its database, and log a warning when others have other options.

    options: texts by the names of options; keys as their hashes. Raises StoreUnreachable.
    """
    shared.servers.add(server_name(), options)
    found = _difference(shared)
    if found is not None:
        _log.warning("The options of this server differ from those of the server %s: %s", *found)


def options_state(context: Context) -> str | None:
    """The text "ok", or how options differ; None for a server that has its database alone.

    The other server is not named: the answer needs no key. A server with other options is ready: while keys
    are replaced on one server after the other, each answers.
    """
    shared = context.database.shared
    if shared is None:
        return None
    try:
        found = _difference(shared)
    except StoreUnreachable:
        return "unknown, since the database cannot be reached"
    return "ok" if found is None else f"differ from those of another server: {found[1]}"


def _difference(shared: SharedState) -> tuple[str, str] | None:
    """The name of a server with other options, and the names of these."""
    own = shared.servers.own_options
    for other in shared.servers.others():
        names = sorted(name for name in {*own, *other.options} if own.get(name) != other.options.get(name))
        if names:
            return other.name, ", ".join(names)
    return None
