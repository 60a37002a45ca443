"""``custom-vision-emulator serve`` whose parts never close, so that it ends at its deadline.

Run as ``python -m tests.support.stuck_server serve ...``.
"""

import threading

from emulator.__main__ import main
from emulator.app import Parts


def _never_close(_parts: Parts) -> None:
    threading.Event().wait()


if __name__ == "__main__":
    Parts.close = _never_close  # type: ignore[method-assign]
    main()
