"""Whether the other servers of the database have the same options as this one."""

import logging
import os
import socket
from collections.abc import Mapping

from emulator.core.context import Context
from emulator.store.database import StoreUnreachable
from emulator.store.shared_state import SharedState

_log = logging.getLogger(__name__)


def register(shared: SharedState, options: Mapping[str, str]) -> None:
    """Add this server to those of its database, and log a warning when others have other options.

    options: texts by the names of options; keys as their hashes. Raises StoreUnreachable.
    """
    shared.servers.add(f"{socket.gethostname()}:{os.getpid()}", options)
    difference = _difference(shared)
    if difference is not None:
        _log.warning("The options of this server %s", difference)


def options_state(context: Context) -> str | None:
    """ "ok", or how options differ; None for a server that has its database alone.

    A server with other options is ready: while keys are replaced on one server after the other, each answers.
    """
    shared = context.database.shared
    if shared is None:
        return None
    try:
        return _difference(shared) or "ok"
    except StoreUnreachable as error:
        return f"unknown: {error}"


def _difference(shared: SharedState) -> str | None:
    own = shared.servers.own_options
    for other in shared.servers.others():
        names = sorted(name for name in {*own, *other.options} if own.get(name) != other.options.get(name))
        if names:
            return f"differ from those of the server {other.name}: {', '.join(names)}"
    return None
