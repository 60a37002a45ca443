"""A certificate authority of the emulator's own, and the certificates of servers that it issues.

The private key of an authority allows its holder to impersonate every site to the clients that trust the
authority. Two measures limit this risk:

- Clients trust a root certificate whose private key is never stored. It signs one intermediate certificate,
  whose key is kept in a file that only its owner can read.
- Both certificates are valid for the names of this emulator alone (name constraints, RFC 5280 section
  4.2.1.10) and for servers only. Some clients, such as Java's, apply the constraints of intermediate
  certificates, but not those of a root.

Dates are those of the system, not of the emulator's clock: clients check them with their own.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from emulator.durable_files import write_atomically
from emulator.settings.https import BUNDLE_FILE, CERTIFICATE_FILE, ServerNames

# The key that signs, its certificate, and the root certificate once more: the three of them change together.
_SIGNING_FILE = "signing-key.pem"
# The certificates that the system trusts, on Debian and Alpine, Fedora, and macOS.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
_AUTHORITY_LIFETIME = timedelta(days=3650)
# Apple's systems and Chromium refuse certificates of servers that are valid for more than 398 days.
SERVER_LIFETIME = timedelta(days=90)
# For clients whose clock is slow.
_BACKDATING = timedelta(days=1)
# Names for which nobody can own a public certificate or a device in a network (RFC 2606, section 2).
_RESERVED_NAMES = ("localhost", "test", "example")
_OWN_NETWORKS = ("127.0.0.0/8", "::1/128")

_FOR_SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])

_Address = ipaddress.IPv4Network | ipaddress.IPv6Network


class AuthorityUnusable(Exception):
    """The files of the authority cannot be used. The message names the file and the reason."""


@dataclass(frozen=True)
class Authority:
    """What issues certificates of servers."""

    root: x509.Certificate
    issuer: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def permits(self, name: str) -> bool:
        """Whether the authority may issue a certificate for a DNS name or an IP address."""
        return any(_includes(subtree, name) for subtree in permitted_names(self.issuer))

    def issue(self, names: ServerNames, now: datetime) -> bytes:
        """A new private key and a certificate for the permitted ones of `names`, with its issuer, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        permitted = [name for name in (*names.given, *names.own) if self.permits(name)]
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in permitted])
        certificate = (
            _builder(self.issuer.subject, "Custom Vision Emulator", key.public_key(), now, SERVER_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(_FOR_SERVERS, critical=False)
            .add_extension(alternatives, critical=False)
            .add_extension(_identifier_of(self.issuer), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return _key_pem(key) + _pem(certificate) + _pem(self.issuer)


def open_authority(folder: Path, names: ServerNames, now: datetime) -> tuple[Authority, bool]:
    """The authority in a folder, which is made if it is missing, and whether it is new.

    An authority that expires soon or may not issue a certificate for one of ``names.given`` is replaced by
    one that may issue for all names of both.

    Raises:
        AuthorityUnusable: its files cannot be read or written.
    """
    try:
        held = _read(folder)
        if held is not None and not _is_outdated(held, names, now):
            _publish(folder, held)
            return held, False
        folder.mkdir(parents=True, exist_ok=True)
        permitted = [] if held is None else permitted_names(held.issuer)
        made = _make(_subtrees((*permitted, *names.given, *names.own)), now)
        if not _store(folder / _SIGNING_FILE, made, is_first=held is None):
            # Another process was faster.
            other = _read(folder)
            if other is not None and not _is_outdated(other, names, now):
                _publish(folder, other)
                return other, False
            _store(folder / _SIGNING_FILE, made, is_first=False)
        _publish(folder, made)
    except OSError as error:
        reason = error.strerror or error
        raise AuthorityUnusable(
            f"cannot use the folder {str(folder)!r}: {reason}; --https-authority names another"
        ) from None
    return made, True


def _is_outdated(held: Authority, names: ServerNames, now: datetime) -> bool:
    ends_soon = held.issuer.not_valid_after_utc < now + SERVER_LIFETIME
    return ends_soon or not all(held.permits(name) for name in names.given)


# --- files --------------------------------------------------------------------------------------------------


def _read(folder: Path) -> Authority | None:
    path = folder / _SIGNING_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        key = serialization.load_pem_private_key(content, password=None)
        issuer, root = x509.load_pem_x509_certificates(content)
        issuer.verify_directly_issued_by(root)
        permitted_names(issuer)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != issuer.public_key():
            raise ValueError("the key is not that of the certificate")
    except Exception as error:  # the parsers of `cryptography` raise errors of many kinds
        raise AuthorityUnusable(
            f"{str(path)!r} does not hold an authority's key and certificates; delete it to make new ones"
        ) from error
    if os.name == "posix" and path.stat().st_mode & 0o077:
        with contextlib.suppress(OSError):
            path.chmod(0o600)
    return Authority(root, issuer, key)


def _store(path: Path, authority: Authority, *, is_first: bool) -> bool:
    """Write the private file. is_first: write it only if there is none; False is returned if there is one."""
    content = _key_pem(authority.key) + _pem(authority.issuer) + _pem(authority.root)
    if not is_first:
        write_atomically(path, content)
        return True
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as temporary:
        complete = Path(temporary) / path.name
        write_atomically(complete, content)
        try:
            os.link(complete, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            complete.replace(path)
    return True


def _publish(folder: Path, authority: Authority) -> None:
    """Write the files for clients, which everyone may read, unless they are there."""
    root = _pem(authority.root)
    _write_for_all(folder / CERTIFICATE_FILE, root)
    public = next((Path(one) for one in _SYSTEM_BUNDLES if Path(one).is_file()), None)
    if public is None:
        import certifi

        public = Path(certifi.where())
    _write_for_all(folder / BUNDLE_FILE, public.read_bytes() + b"\n" + root)


def _write_for_all(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)
        path.chmod(0o644)


# --- certificates -------------------------------------------------------------------------------------------


def load_certificate(file: Path) -> x509.Certificate:
    """A certificate in PEM. Raises OSError, ValueError."""
    return x509.load_pem_x509_certificate(file.read_bytes())


def permitted_names(certificate: x509.Certificate) -> list[str]:
    """What an authority's certificate may be used for: DNS names with those below them, and IP networks."""
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    return [str(one.value) for one in constraints.permitted_subtrees or ()]


def name_of(certificate: x509.Certificate) -> str:
    """The name by which trust stores list a certificate."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, as trust stores show it: ``AB:CD:...``."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _make(subtrees: Collection[str], now: datetime) -> Authority:
    # Several authorities of one user differ in their names, by which trust stores list them.
    suffix = os.urandom(4).hex()
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = f"Custom Vision Emulator CA {suffix}"
    root = _authority_certificate(name, root_key, None, root_key, subtrees=subtrees, path_length=1, now=now)
    name = f"Custom Vision Emulator CA {suffix} (issuer)"
    issuer = _authority_certificate(name, key, root, root_key, subtrees=subtrees, path_length=0, now=now)
    return Authority(root, issuer, key)


def _authority_certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    signing_key: ec.EllipticCurvePrivateKey,
    *,
    subtrees: Collection[str],
    path_length: int,
    now: datetime,
) -> x509.Certificate:
    """A certificate that may issue others. issuer: None for one that signs itself."""
    issued_by = None if issuer is None else issuer.subject
    constraints = x509.NameConstraints([_general_subtree(one) for one in subtrees], None)
    builder = (
        _builder(issued_by, name, key.public_key(), now, _AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(_FOR_SERVERS, critical=False)
        .add_extension(constraints, critical=True)
    )
    if issuer is not None:
        builder = builder.add_extension(_identifier_of(issuer), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _builder(
    issuer: x509.Name | None,
    name: str,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Custom Vision Emulator"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATING)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _identifier_of(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


# --- names --------------------------------------------------------------------------------------------------


def _subtrees(names: Iterable[str]) -> list[str]:
    """The subtrees that include `names` and those of every authority, each once."""
    found: dict[str, None] = dict.fromkeys((*_RESERVED_NAMES, *_OWN_NETWORKS))
    for name in names:
        if not any(_includes(subtree, name) for subtree in found):
            network = _network(name)
            found[name.removeprefix("*.") if network is None else str(network)] = None
    return list(found)


def _includes(subtree: str, name: str) -> bool:
    outer, inner = _network(subtree), _network(name)
    if outer is None or inner is None:
        return outer is inner is None and f".{name}".endswith(f".{subtree}")
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _network(name: str) -> _Address | None:
    """The network of an IP address or a network; None for a DNS name."""
    try:
        return ipaddress.ip_network(name)
    except ValueError:
        return None


def _general_subtree(subtree: str) -> x509.GeneralName:
    network = _network(subtree)
    return x509.DNSName(subtree) if network is None else x509.IPAddress(network)


def _general_name(name: str) -> x509.GeneralName:
    return x509.DNSName(name) if _network(name) is None else x509.IPAddress(ipaddress.ip_address(name))
