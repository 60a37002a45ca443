"""The measured programs: the emulator, Azurite and moto, started, awaited and stopped in the same way."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from emulator.settings import DEFAULT_PREDICTION_KEYS, DEFAULT_TRAINING_KEYS

HERE = Path(__file__).parent
PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.001

# Compiled modules are cached, as for an installed package, even if this process does not cache them.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

AZURITE = HERE / "node_modules" / "azurite" / "dist" / "src"
MOTO = HERE.parent / ".cache" / "moto" / ".venv"
INSTALL_PEERS = "make -C bench peers"


class BenchFailed(Exception):
    """A measurement was not possible; the message is the reason."""


@dataclass(frozen=True)
class Program:
    """A server program.

    Attributes:
        command: returns its command line, given its port and an empty or used folder for its data.
        health: a request of its health check.
        operation: a request of an ordinary operation.
    """

    name: str
    command: Callable[[int, Path], list[str]]
    health: bytes
    operation: bytes


def request(
    method: str,
    target: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    host: str = "127.0.0.1",
) -> bytes:
    """The bytes of an HTTP/1.1 request on a persistent connection."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


# --- the emulator -------------------------------------------------------------------------------------------

TRAINING = {"Training-Key": DEFAULT_TRAINING_KEYS[0]}
PREDICTION = {"Prediction-Key": DEFAULT_PREDICTION_KEYS[0]}
TRAINING_PATH = "/customvision/v3.4-preview/training"
PREDICTION_PATH = "/customvision/v3.1/prediction"


def _emulator_command(port: int, data: Path) -> list[str]:
    script = shutil.which("custom-vision-emulator", path=str(Path(sys.executable).parent))
    if script is None:
        raise BenchFailed(f"custom-vision-emulator is not installed beside {sys.executable}; use make bench")
    return [script, "serve", "--port", str(port), "--data", str(data), "--quiet"]


EMULATOR = Program(
    "emulator",
    _emulator_command,
    health=request("GET", "/_emulator/health/ready"),
    # The projects, not the domains: this request checks the key and reads the database, as those of the peers
    # do.
    operation=request("GET", f"{TRAINING_PATH}/projects", TRAINING),
)

# --- Azurite ------------------------------------------------------------------------------------------------

AZURITE_ACCOUNT = "devstoreaccount1"
# The well-known key in Azurite's documentation.
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def azurite_request(
    method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request signed with the shared key, as clients of Azurite send it. Valid for 15 minutes."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02", **(headers or {})}
    url = urlsplit(target)
    signed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-ms-"))
    resource = f"/{AZURITE_ACCOUNT}{url.path}"
    resource += "".join(f"\n{name}:{value}" for name, value in sorted(parse_qsl(url.query)))
    length = str(len(body)) if body else ""
    text = f"{method}\n\n\n{length}\n\n{headers.get('Content-Type', '')}\n\n\n\n\n\n\n{signed}{resource}"
    digest = hmac.digest(base64.b64decode(_AZURITE_KEY), text.encode(), hashlib.sha256)
    headers["Authorization"] = f"SharedKey {AZURITE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    return request(method, target, headers, body)


def _azurite(name: str, script: Path, others: tuple[str, ...]) -> Program:
    def command(port: int, data: Path) -> list[str]:
        ports = [part for other in others for part in (f"--{other}Port", str(free_port()))]
        return [
            shutil.which("node") or "node",
            str(script),
            "--blobPort",
            str(port),
            *ports,
            "--inMemoryPersistence",
            "--disableTelemetry",
            "--silent",
        ]

    return Program(
        name,
        command,
        health=request("GET", "/"),
        operation=azurite_request("GET", f"/{AZURITE_ACCOUNT}?comp=list"),
    )


AZURITE_ALL = _azurite("azurite", AZURITE / "azurite.js", ("queue", "table"))
AZURITE_BLOB = _azurite("azurite-blob", AZURITE / "blob" / "main.js", ())

# --- moto ---------------------------------------------------------------------------------------------------


def _moto_command(port: int, data: Path) -> list[str]:
    folder = MOTO / ("Scripts" if os.name == "nt" else "bin")
    return [str(folder / "moto_server"), "--port", str(port)]


MOTO_SERVER = Program(
    "moto_server",
    _moto_command,
    health=request("GET", "/moto-api/data.json"),
    operation=request(
        "GET",
        "/",
        {
            "Authorization": "AWS4-HMAC-SHA256 Credential=key/20250101/us-east-1/s3/aws4_request, "
            "SignedHeaders=host, Signature=0"
        },
    ),
)


def missing_peers() -> list[str]:
    """The peers that are not installed, each with the way to install it."""
    missing = []
    if shutil.which("node") is None:
        missing.append("azurite: Node is missing (get Node 20 from nodejs.org)")
    elif not (AZURITE / "azurite.js").exists():
        missing.append(f"azurite: not installed ({INSTALL_PEERS})")
    if not MOTO.exists():
        missing.append(f"moto_server: not installed ({INSTALL_PEERS})")
    return missing


def installed(*programs: Program) -> list[Program]:
    """The programs that are installed."""
    missing = " ".join(missing_peers())
    return [one for one in programs if one.name.removesuffix("-blob") + ":" not in missing]


# --- running them -------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Running:
    """A running program. seconds: from its start to the first response."""

    process: subprocess.Popen[bytes]
    port: int
    seconds: float

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def stop(self) -> float:
        """Stop the program with SIGTERM; returns the duration in seconds."""
        started = time.perf_counter()
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)
        return time.perf_counter() - started


@contextmanager
def running(program: Program, data: Path, first: bytes | None = None) -> Iterator[Running]:
    """A program that has responded to the request `first`, by default to its operation."""
    port = free_port()
    command = program.command(port, data)
    started = time.perf_counter()
    with (data / "bench.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=data,
            env=ENVIRONMENT,
        )
    try:
        try:
            _await_answer(process, port, first or program.operation)
        except BenchFailed as error:
            said = (data / "bench.log").read_text(encoding="utf-8", errors="replace").strip()
            raise BenchFailed(f"{program.name} {error}: {said[-500:]}") from None
        yield Running(process, port, time.perf_counter() - started)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_answer(process: subprocess.Popen[bytes], port: int, first: bytes) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchFailed(f"ended with status {process.returncode} at its start")
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
                connection.sendall(first)
                if connection.recv(16).startswith(b"HTTP/1."):
                    return
        except ConnectionError:
            pass
        time.sleep(_POLL_SECONDS)
    raise BenchFailed(f"did not answer in {PATIENCE_SECONDS} s")


def own_megabytes(pid: int) -> float:
    """Resident memory of a process, in MB; with its children where the system has no ``/proc``."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2
    except (OSError, ValueError):
        return resident_megabytes(pid)


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process and its children, in MB. Raises BenchFailed where `ps` is missing."""
    try:
        listed = subprocess.run(["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True)
    except OSError as error:
        raise BenchFailed(f"memory cannot be measured here: {error}") from None
    rows = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    family, size = {pid}, 0
    while len(family) > size:
        size = len(family)
        family |= {process for process, parent, _ in rows if parent in family}
    return sum(kilobytes for process, _, kilobytes in rows if process in family) / 1024
