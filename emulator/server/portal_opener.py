"""Opening the portal in the user's browser, with ``serve --open``."""

import logging
import threading
import webbrowser

_log = logging.getLogger(__name__)


def open_portal(endpoint: str, ticket: str) -> None:
    """Open the portal in a browser, signed in by the ticket, without waiting for the browser."""
    threading.Thread(target=_open, args=(endpoint, ticket), name="portal", daemon=True).start()


def _open(endpoint: str, ticket: str) -> None:
    # A browser in a terminal would take over the terminal of the server.
    try:
        is_open = webbrowser.open(f"{endpoint}/portal/open?ticket={ticket}")
    except webbrowser.Error:
        is_open = False
    if not is_open:
        _log.warning("--open: no browser was found; the portal is at %s/portal/", endpoint)
