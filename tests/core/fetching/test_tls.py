"""Fetching over TLS: the certificate must be trusted and match the name in the URL."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.core.fetching import client as fetching
from emulator.core.fetching.client import FetchRejected, fetch
from tests.support.web_servers import Server, answer_with, policy, resolve_to

Tls = tuple[ssl.SSLContext, Path, list[str | None]]

# A certificate for photos.example, valid until 2126, and its key, which are only used here.

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBkzCCATmgAwIBAgIUFKNyofEd7OQeTS6sKjg8k6rTcMswCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOcGhvdG9zLmV4YW1wbGUwIBcNMjYxMTIyMDYzNzM2WhgPMjEy
NjEwMjkwNjM3MzZaMBkxFzAVBgNVBAMMDnBob3Rvcy5leGFtcGxlMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAE/W/NQ8yaH09MB2ZS3CFoWhlZvrDjeUlP+R3AT8WH
64U6koyhFUQxMaiTgMVJf3FJc+YtD1dG8hDbJrPmLV2dfKNdMFswDwYDVR0TAQH/
BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAoQwGQYDVR0RBBIwEIIOcGhvdG9zLmV4YW1w
bGUwHQYDVR0OBBYEFLnuUAx+3hmb0oo6+LTZ1HOtcASeMAoGCCqGSM49BAMCA0gA
MEUCIE77p/rfOcLO0GFcH3xzIt/lhSJVxwrpaE7EmegtyRbFAiEAuNYpMPiKFGQS
cjtkiwgwft5TwGu+hRoZfuNG/lJt0Pg=
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyGnoiavailRdPYyo
ctLdVbiItk++CL/akVnpaKDtMI+hRANCAAT9b81DzJofT0wHZlLcIWhaGVm+sON5
SU/5HcBPxYfrhTqSjKEVRDExqJOAxUl/cUlz5i0PV0byENsms+YtXZ18
-----END PRIVATE KEY-----
"""


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Tls]:
    """The TLS context of a server, the file of its certificate, and the server names that clients sent."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(CERTIFICATE)
    key.write_text(KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names: list[str | None] = []
    context.sni_callback = lambda connection, name, context: names.append(name)
    fetching.ssl_context.cache_clear()
    yield context, certificate, names
    fetching.ssl_context.cache_clear()


def test_certificate_is_verified_against_the_name_of_the_url(
    tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate, names = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    resolve = resolve_to("127.0.0.1")
    with Server(answer_with(b"here"), context) as server:
        url = f"https://photos.example:{server.port}/"
        assert fetch(url, policy(server.allow), resolve=resolve) == b"here"
        assert names == ["photos.example"]
        assert server.requests[0].header("host") == f"photos.example:{server.port}"
        for other in ("other.example", "127.0.0.1"):
            with pytest.raises(FetchRejected, match="No secure connection"):
                fetch(f"https://{other}:{server.port}/", policy(server.allow), resolve=resolve)
        assert len(server.requests) == 1


def test_unknown_certificate_is_refused(tls: Tls) -> None:
    with Server(answer_with(b"here"), tls[0]) as server:
        url = f"https://photos.example:{server.port}/"
        with pytest.raises(FetchRejected, match="No secure connection"):
            fetch(url, policy(server.allow), resolve=resolve_to("127.0.0.1"))
        assert server.requests == []


def test_server_without_tls_is_refused() -> None:
    with (
        Server(answer_with(b"here")) as server,
        pytest.raises(FetchRejected, match="No secure connection"),
    ):
        fetch(f"https://127.0.0.1:{server.port}/", policy(server.allow))
