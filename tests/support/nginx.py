"""nginx for tests: the program of the machine's own package, with docker/nginx.conf, at a free port."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.harness import wait_until

HOW_TO_GET_IT = "nginx is missing; get it with: apt install nginx-light"
_CONFIGURATION = Path(__file__).parents[2] / "docker" / "nginx.conf"
_MAIN = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""


class Nginx:
    """A running nginx that distributes requests to servers at ports of this machine. Skips without nginx."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None:
            pytest.skip(HOW_TO_GET_IT)
        folder.mkdir(parents=True)
        self.port = free_port()
        site = _CONFIGURATION.read_text("utf-8")
        for number, port in enumerate(ports, 1):
            site = site.replace(f"server-{number}:10010", f"127.0.0.1:{port}")
        assert not re.search(r"server-\d", site)
        site = site.replace("listen 10010;", f"listen 127.0.0.1:{self.port};")
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, site=site), "utf-8")
        command = [
            program,
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
            "-e",
            str(folder / "error.log"),
        ]
        if os.geteuid() == 0:  # else its workers would be another user, who cannot use the folder
            command += ["-g", "user root;"]
        self._process = subprocess.Popen(command)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        wait_until(lambda: self._process.poll() is not None or accepts(self.port), "nginx")
        assert self._process.poll() is None, (folder / "error.log").read_text("utf-8")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether a server listens at a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
