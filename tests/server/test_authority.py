"""The certificate authority of `--https auto`."""

from __future__ import annotations

import os
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from emulator.server.authority import (
    Authority,
    AuthorityUnusable,
    load_certificate,
    open_authority,
    permitted_names,
)
from emulator.settings.https import CERTIFICATE_FILE, ServerNames

NOW = datetime(2026, 11, 29, tzinfo=UTC)
OWN = ("localhost", "127.0.0.1", "::1", "host.docker.internal", "machine")
NAMES = ServerNames(given=("vision.example.org", "*.tunnel.example.net", "10.0.0.7"), own=OWN)
# The limit of Apple's systems and Chromium.
LONGEST_DAYS = 398


def issued(authority: Authority, names: ServerNames = NAMES) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(authority.issue(names, NOW))


def verify(authority: Authority, chain: list[x509.Certificate], name: x509.GeneralName) -> None:
    assert isinstance(name, x509.DNSName | x509.IPAddress)
    verifier = PolicyBuilder().store(Store([authority.root])).time(NOW).build_server_verifier(name)
    verifier.verify(chain[0], chain[1:])


def test_an_authority_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "https"
    made, is_new = open_authority(folder, NAMES, NOW)
    again, is_new_again = open_authority(folder, NAMES, NOW + timedelta(days=300))
    assert (is_new, is_new_again) == (True, False)
    assert again.root == made.root == load_certificate(folder / CERTIFICATE_FILE)
    assert again.key.private_numbers() == made.key.private_numbers()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no permission bits")
def test_only_the_owner_can_read_the_key_and_everyone_the_certificate(tmp_path: Path) -> None:
    open_authority(tmp_path, NAMES, NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"authority.pem": 0o644, "bundle.pem": 0o644, "signing-key.pem": 0o600}
    (tmp_path / "signing-key.pem").chmod(0o644)
    open_authority(tmp_path, NAMES, NOW)
    assert stat.S_IMODE((tmp_path / "signing-key.pem").stat().st_mode) == 0o600


def test_the_key_of_the_trusted_certificate_is_not_stored(tmp_path: Path) -> None:
    authority, _ = open_authority(tmp_path, NAMES, NOW)
    assert authority.key.public_key() == authority.issuer.public_key()
    assert authority.key.public_key() != authority.root.public_key()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert stored.count(b"PRIVATE KEY") == 2  # the beginning and the end of one


def test_the_certificate_of_a_server_is_for_its_names_and_not_valid_for_long(tmp_path: Path) -> None:
    authority, _ = open_authority(tmp_path, NAMES, NOW)
    chain = issued(authority)
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in names] == [*NAMES.given, *NAMES.own]
    for name in names:
        if "*" not in str(name.value):
            verify(authority, chain, name)
    verify(authority, chain, x509.DNSName("one.tunnel.example.net"))
    assert (chain[0].not_valid_after_utc - chain[0].not_valid_before_utc).days <= LONGEST_DAYS


@pytest.mark.parametrize("name", ["example.org", "vision.example.com", "machine.example.org", "com"])
def test_nobody_accepts_its_certificate_for_a_foreign_name(tmp_path: Path, name: str) -> None:
    authority, _ = open_authority(tmp_path, NAMES, NOW)
    assert not authority.permits(name)

    class Leaked(Authority):
        def permits(self, name: str) -> bool:
            return True

    leaked = Leaked(authority.root, authority.issuer, authority.key)
    chain = issued(leaked, ServerNames((name,), ()))
    with pytest.raises(VerificationError):
        verify(authority, chain, x509.DNSName(name))


def test_a_name_of_this_machine_that_is_new_is_left_out(tmp_path: Path) -> None:
    """Each container has another host name."""
    open_authority(tmp_path, NAMES, NOW)
    names = NAMES._replace(own=("localhost", "4f2a77b1c0de"))
    authority, is_new = open_authority(tmp_path, names, NOW)
    assert not is_new
    found = issued(authority, names)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in found] == [*NAMES.given, "localhost"]


def test_a_new_name_in_the_options_replaces_the_authority_and_keeps_its_names(tmp_path: Path) -> None:
    first, _ = open_authority(tmp_path, NAMES, NOW)
    more = ServerNames(("other.example.org",), OWN)
    second, is_new = open_authority(tmp_path, more, NOW)
    assert is_new
    assert second.root != first.root
    assert {*permitted_names(first.root)} < {*permitted_names(second.root)}
    assert load_certificate(tmp_path / CERTIFICATE_FILE) == second.root
    for names in NAMES, ServerNames(("a.other.example.org", "x.test"), OWN):
        again, is_new = open_authority(tmp_path, names, NOW)
        assert not is_new
        assert again.root == second.root


def test_an_authority_that_expires_soon_is_replaced(tmp_path: Path) -> None:
    first, _ = open_authority(tmp_path, NAMES, NOW)
    second, is_new = open_authority(tmp_path, NAMES, first.issuer.not_valid_after_utc - timedelta(days=80))
    assert is_new
    assert second.root != first.root


def test_processes_that_start_at_once_have_one_authority(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: open_authority(tmp_path, NAMES, NOW)[0].root, range(8)))
    assert {*made} == {load_certificate(tmp_path / CERTIFICATE_FILE)}
    assert len(list(tmp_path.iterdir())) == 3


def test_openssl_accepts_the_certificates_in_its_strict_mode(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority, _ = open_authority(tmp_path, NAMES, now)
    file = tmp_path / "server.pem"
    file.write_bytes(authority.issue(NAMES, now))
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    server.load_cert_chain(file)
    client.load_verify_locations(tmp_path / CERTIFICATE_FILE)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in (*NAMES.given[::2], *OWN):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client.wrap_bio(to_client, to_server, server_hostname=name)
        other = server.wrap_bio(to_server, to_client, server_side=True)
        for end in (one, other):
            with pytest.raises(ssl.SSLWantReadError):
                end.do_handshake()
        one.do_handshake()
        other.do_handshake()


def test_files_that_are_not_an_authority_are_named_and_kept(tmp_path: Path) -> None:
    open_authority(tmp_path, NAMES, NOW)
    file = tmp_path / "signing-key.pem"
    whole = file.read_bytes()
    other = tmp_path / "other"
    open_authority(other, NAMES, NOW)
    certificates = whole[whole.index(b"-----BEGIN CERT") :]
    mixed = (other / file.name).read_bytes().partition(b"-----BEGIN CERT")[0] + certificates
    for content in (b"", b"nothing", whole[: len(whole) // 2], mixed):
        file.write_bytes(content)
        with pytest.raises(AuthorityUnusable, match=r"signing-key\.pem' does not hold .* delete it"):
            open_authority(tmp_path, NAMES, NOW)
        assert file.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuthorityUnusable, match=r"cannot use the folder .*file"):
        open_authority(tmp_path / "file" / "https", NAMES, NOW)
