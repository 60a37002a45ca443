"""Both servers speak https with a certificate."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from emulator.server.connections.acceptor import Acceptor
from emulator.server.tls import authority_context, certificate_context, check_https
from emulator.settings import Settings, StartRefused
from emulator.settings.https import CERTIFICATE_FILE, ServerNames
from tests.support.exported_models import classifier_zip
from tests.support.harness import PATIENCE_SECONDS, TRAINING_KEY, files_body
from tests.support.https import HttpsServer
from tests.support.images import picture
from tests.support.program import clean_environment, run

Start = Callable[..., HttpsServer]
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
def start(tmp_path: Path) -> Iterator[Start]:
    servers: list[HttpsServer] = []

    def run(*arguments: str, **environment: str) -> HttpsServer:
        server = HttpsServer(tmp_path / "standard-error.log", *arguments, **environment)
        servers.append(server)
        return server

    yield run
    for server in servers:
        server.stop()


def test_the_emulator(certificate: tuple[Path, Path], tmp_path: Path, start: Start) -> None:
    cert, key = certificate
    options = ["--certificate", str(cert), "--certificate-key", str(key)]
    endpoint = start("serve", "--data", str(tmp_path), "--quiet", *options).endpoint
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
    endpoint = start("serve-model", str(tmp_path / "model.zip"), "--certificate", str(both)).endpoint
    response = httpx.get(f"{endpoint}/health", verify=ssl.create_default_context(cafile=cert))
    assert response.json()["status"] == "ready"


def test_files_that_cannot_be_used(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    other = tmp_path / "other.pem"
    other.write_text("no certificate", encoding="ascii")
    for arguments in ((tmp_path / "missing", None), (other, key), (cert, other), (cert, None)):
        with pytest.raises(StartRefused, match=r"^--certificate, --certificate-key: cannot use .*: ."):
            certificate_context(*arguments)
    encrypted = tmp_path / "encrypted.pem"
    command = f"openssl pkey -aes128 -passout pass:word -in {key} -out {encrypted}"
    subprocess.run(command.split(), check=True, capture_output=True)
    with pytest.raises(StartRefused, match="the key has a password"):
        certificate_context(cert, encrypted)
    foreign = tmp_path / "foreign.pem"
    command = f"openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:prime256v1 -out {foreign}"
    subprocess.run(command.split(), check=True, capture_output=True)
    with pytest.raises(StartRefused, match="the key is not that of the certificate"):
        certificate_context(cert, foreign)


def test_plain_http_to_a_port_for_https_is_refused_and_logged_once(
    certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    context = certificate_context(*certificate)

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            acceptor = Acceptor(listener, asyncio.Protocol, (), 9, context)
            for _ in range(3):
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                response = await reader.read()
                assert response.startswith(b"HTTP/1.1 400 Bad Request\r\n")
                assert b'"message":"This port speaks https. Use https:// in the endpoint."' in response
                writer.close()
            acceptor.close()
            await acceptor.wait_closed()

    asyncio.run(run())
    (hint,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "Use https:// in its endpoint" in hint


@pytest.mark.parametrize(
    ("start_days", "end_days", "reason"),
    [(-3, -1, "the certificate has expired"), (1, 3, "the certificate is not valid yet")],
)
def test_a_certificate_outside_of_its_dates_is_refused(
    tmp_path: Path, start_days: int, end_days: int, reason: str
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    dated = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number()
    ).not_valid_before(now + timedelta(days=start_days))
    certificate = dated.not_valid_after(now + timedelta(days=end_days)).sign(key, hashes.SHA256())
    file = tmp_path / "both.pem"
    file.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(StartRefused, match=f"both.pem': {reason}$"):
        certificate_context(file, None)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (Settings(certificate_key=Path("key.pem")), "--certificate-key: needs --certificate"),
        (Settings(https_port=1), "--https-port: needs --https auto or --certificate"),
        (Settings(https="auto", certificate=Path("a.pem")), "--https auto, --certificate: give one of them"),
    ],
)
def test_options_that_contradict_each_other(options: Settings, reason: str) -> None:
    with pytest.raises(StartRefused, match=f"^{reason}"):
        check_https(options)


def test_without_options_there_is_no_https() -> None:
    assert check_https(Settings()) is None


def test_without_the_package_for_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(StartRefused, match=r"^--https auto: needs .* custom-vision-emulator\[https\]$"):
        check_https(Settings(https="auto"))


def test_nothing_is_started_with_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ran = run("serve", "--data", str(data), "--port", "0", "--certificate", str(tmp_path / "missing"))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert re.fullmatch(r"custom-vision-emulator: --certificate.*missing': No such file.*\n", ran.stderr)
    assert not data.exists()


def test_a_certificate_is_renewed_while_the_server_runs(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    dates = [now - timedelta(days=61)]
    names = ServerNames((), ("localhost",))
    server = authority_context(tmp_path, names, clock=lambda: dates[-1])
    client = ssl.create_default_context(cafile=tmp_path / CERTIFICATE_FILE)
    first = served_certificate(server, client)
    dates.append(now - timedelta(days=31))
    assert served_certificate(server, client) == first
    dates.append(now)
    served_certificate(server, client)  # the handshake at whose beginning it is renewed may have either
    assert served_certificate(server, client) != first


def served_certificate(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for end in (ours, theirs):
        with pytest.raises(ssl.SSLWantReadError):
            end.do_handshake()
    ours.do_handshake()
    return ours.getpeercert(binary_form=True)


def test_both_ports_and_a_restart_with_the_authority(tmp_path: Path, start: Start) -> None:
    options = ["serve", "--data", str(tmp_path / "data"), "--quiet", "--https", "auto", "--https-port", "0"]
    server = start(*options)
    authority = tmp_path / "data" / "https" / CERTIFICATE_FILE
    first = authority.read_bytes()
    verified = ssl.create_default_context(cafile=authority)
    plain, secure = server.endpoints
    assert plain.startswith("http:")
    headers = {"Training-Key": TRAINING_KEY}
    with httpx.Client(headers=headers, verify=verified, timeout=PATIENCE_SECONDS) as client:
        project = client.post(f"{plain}/customvision/v3.3/training/projects", params={"name": "a"}).json()[
            "id"
        ]
        images = f"customvision/v3.3/training/projects/{project}/images"
        for number, endpoint in enumerate((plain, secure)):
            body = files_body([picture(number)])
            uploaded = client.post(f"{endpoint}/{images}/files", json=body).json()["images"][0]["image"]
            uri = uploaded["originalImageUri"]
            assert uri.startswith(f"{endpoint}/")
            assert client.get(uri).status_code == 200
    port = server.endpoints[0].rpartition(":")[2]
    assert run("health", "--port", port, "--https", "auto", "--https-port", "0").stdout == "ready\n"
    server.stop()

    server = start(*options[:-2])
    assert authority.read_bytes() == first
    assert httpx.get(f"{server.endpoint}/", verify=verified).status_code == 200
    health = ["health", "--port", str(server.port), "--https", "auto"]
    assert run(*health, "--data", str(tmp_path / "data")).stdout == "ready\n"
    refused = run(*health, "--data", str(tmp_path / "elsewhere"))
    assert refused.returncode == 1
    assert re.fullmatch(
        r"custom-vision-emulator: --https auto: cannot use '.*': No such file.*\n", refused.stderr
    )
    log = server.log.read_text(encoding="utf-8")
    assert log.count("A new certificate authority is in") == 1


def test_a_temporary_emulator_and_serve_model_share_the_authority_of_the_user(
    tmp_path: Path, start: Start
) -> None:
    environment = {name: str(tmp_path / "home") for name in ("XDG_DATA_HOME", "HOME", "LOCALAPPDATA")}
    (tmp_path / "model.zip").write_bytes(classifier_zip())
    emulator = start("serve", "--ephemeral", "--quiet", "--https", "auto", **environment)
    model = start(
        "serve-model", str(tmp_path / "model.zip"), "--https", "auto", "--https-port", "0", **environment
    )
    (authority,) = (tmp_path / "home").rglob(CERTIFICATE_FILE)
    assert run("trust", "--ephemeral", "--print-path", **environment).stdout == f"{authority}\n"
    verified = ssl.create_default_context(cafile=authority)
    assert httpx.get(f"{emulator.endpoint}/", verify=verified).status_code == 200
    for endpoint in model.endpoints:
        assert httpx.get(f"{endpoint}/health", verify=verified).json()["status"] == "ready"
    assert len(model.endpoints) == 2
