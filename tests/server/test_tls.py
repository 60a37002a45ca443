"""Both servers speak https with a certificate."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from emulator.server.acceptor import Acceptor
from emulator.server.tls import server_context
from emulator.settings import StartRefused
from tests.support.exported_models import classifier_zip
from tests.support.harness import PATIENCE_SECONDS, TRAINING_KEY, files_body
from tests.support.images import picture
from tests.support.program import clean_environment

Start = Callable[..., str]
_REQUEST = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
    "-addext subjectAltName=DNS:localhost,IP:127.0.0.1"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is missing (on Debian: apt-get install openssl)")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [program, *_REQUEST.split(), "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> str:
        """The endpoint of a server."""
        process = subprocess.Popen(
            [sys.executable, "-m", "emulator", *arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        processes.append(process)
        overdue = threading.Timer(PATIENCE_SECONDS, process.kill)
        overdue.start()
        assert process.stdout is not None
        found = re.search(r" ready at (https://127\.0\.0\.1:\d+)$", process.stdout.readline().strip())
        overdue.cancel()
        assert found is not None
        return found[1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def test_the_emulator(certificate: tuple[Path, Path], tmp_path: Path, start: Start) -> None:
    cert, key = certificate
    options = ["--certificate", str(cert), "--certificate-key", str(key)]
    endpoint = start("serve", "--data", str(tmp_path), "--quiet", *options)
    with httpx.Client(
        base_url=f"{endpoint}/customvision/v3.3/training",
        headers={"Training-Key": TRAINING_KEY},
        verify=ssl.create_default_context(cafile=cert),
        timeout=PATIENCE_SECONDS,
    ) as client:
        project = client.post("/projects", params={"name": "tls"}).json()["id"]
        body = files_body([picture(1)])
        image = client.post(f"/projects/{project}/images/files", json=body).json()["images"][0]["image"]
        assert image["originalImageUri"].startswith(f"{endpoint}/")
        response = client.get(image["originalImageUri"])
        assert response.status_code == 200
        assert "strict-transport-security" not in response.headers
    command = [sys.executable, "-m", "emulator", "health", "--port", endpoint.rpartition(":")[2]]
    for more, status in (options, 0), ([], 1):
        ran = subprocess.run([*command, *more], capture_output=True, text=True, env=clean_environment())
        assert ran.returncode == status, ran.stderr


def test_serve_model(certificate: tuple[Path, Path], tmp_path: Path, start: Start) -> None:
    cert, key = certificate
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    (tmp_path / "model.zip").write_bytes(classifier_zip())
    endpoint = start("serve-model", str(tmp_path / "model.zip"), "--certificate", str(both))
    response = httpx.get(f"{endpoint}/health", verify=ssl.create_default_context(cafile=cert))
    assert response.json()["status"] == "ready"


def test_files_that_cannot_be_used(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    other = tmp_path / "other.pem"
    other.write_text("no certificate", encoding="ascii")
    for arguments in ((tmp_path / "missing", None), (other, key), (cert, other), (cert, None)):
        with pytest.raises(StartRefused, match=r"^--certificate, --certificate-key: cannot use .*: ."):
            server_context(*arguments)
    encrypted = tmp_path / "encrypted.pem"
    command = f"openssl pkey -aes128 -passout pass:word -in {key} -out {encrypted}"
    subprocess.run(command.split(), check=True, capture_output=True)
    with pytest.raises(StartRefused, match="the key has a password"):
        server_context(cert, encrypted)
    foreign = tmp_path / "foreign.pem"
    command = f"openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:prime256v1 -out {foreign}"
    subprocess.run(command.split(), check=True, capture_output=True)
    with pytest.raises(StartRefused, match="the key is not that of the certificate"):
        server_context(cert, foreign)
    with pytest.raises(StartRefused, match="--certificate-key: needs --certificate"):
        server_context(None, key)
    assert server_context(None, None) is None


def test_plain_http_to_the_port_is_logged_once(
    certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    context = server_context(*certificate)

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            acceptor = Acceptor(listener, asyncio.Protocol, (), 9, context)
            for _ in range(3):
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert await reader.read() == b""
                writer.close()
            acceptor.close()
            await acceptor.wait_closed()

    asyncio.run(run())
    (hint,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "Use https:// in its endpoint" in hint
