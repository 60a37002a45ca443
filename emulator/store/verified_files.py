"""Files whose bytes were compared with their SHA-256, remembered as long as they do not change."""

import hashlib
import os
import threading
from collections import OrderedDict
from pathlib import Path

_KEPT = 8192
# SHA-256, size, time of modification, inode.
_State = tuple[str, int, int, int]


class VerifiedFiles:
    """Remembers the states of the files that were verified last. Hard links to a file share its state."""

    def __init__(self) -> None:
        self._verified: OrderedDict[_State, None] = OrderedDict()
        self._lock = threading.Lock()

    def is_intact(self, path: Path, digest: str) -> bool:
        """Whether the SHA-256 of a file is `digest`; not read if it is unchanged since it was verified.

        Raises FileNotFoundError.
        """
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            state = (digest, status.st_size, status.st_mtime_ns, status.st_ino)
            with self._lock:
                if state in self._verified:
                    self._verified.move_to_end(state)
                    return True
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                return False
        with self._lock:
            self._verified[state] = None
            while len(self._verified) > _KEPT:
                self._verified.popitem(last=False)
        return True
