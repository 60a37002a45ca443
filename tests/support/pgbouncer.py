"""PgBouncer for tests: the program of the machine's own package, in front of a server of PostgreSQL."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.nginx import accepts, free_port
from tests.support.postgresql import Server
from tests.support.waiting import wait_until

HOW_TO_GET_IT = "PgBouncer is missing; get it with: apt install pgbouncer"
_CONFIGURATION = """
[databases]
* = host={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
{more}
"""


class PgBouncer:
    """A running PgBouncer at a free port. Skips the test where it is not installed.

    Args:
        mode: of the pool: session, transaction or statement.
        more: further lines of its configuration.
    """

    def __init__(self, server: Server, mode: str, more: str = "") -> None:
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        if program is None:
            pytest.skip(HOW_TO_GET_IT)
        self.port = free_port()
        # Its user, that of the server, can enter the folder of the server.
        folder = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir=server.folder))
        (folder / "users").write_text('"emulator" ""\n')
        (folder / "ini").write_text(
            _CONFIGURATION.format(server=server.folder, port=self.port, folder=folder, mode=mode, more=more)
        )
        if server.user:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, server.user["user"])
        self._process = subprocess.Popen([program, "-q", str(folder / "ini")], **server.user)
        wait_until(lambda: self._process.poll() is not None or accepts(self.port), "PgBouncer")
        assert self._process.poll() is None

    def url(self, database: str) -> str:
        """The URL of a database through it; `database` is its URL without it."""
        name = database.partition("@/")[2].partition("?")[0]
        return f"postgresql://emulator@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
