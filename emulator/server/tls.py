"""TLS of a server: with a certificate from files, or with one of the emulator's own authority."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.settings import StartRefused
from emulator.settings.https import CERTIFICATE_FILE, HttpsOptions, ServerNames, has_https

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

# The modules ssl and cryptography are imported where they are used, for a fast start: few users need them.

_CERTIFICATE_EXPIRED, _CERTIFICATE_NOT_YET_VALID = 10, 9  # X509_V_ERR_* of OpenSSL
_log = logging.getLogger("emulator.https")


def check_https(options: HttpsOptions) -> ssl.SSLContext | None:
    """The context for the certificate that the options name; None if they name none.

    Raises:
        StartRefused: the options about https contradict each other, or their files cannot be used.
    """
    if options.https == "auto" and options.certificate is not None:
        raise StartRefused("--https auto, --certificate: give one of them; each provides the certificate")
    if options.https_port is not None and not has_https(options):
        raise StartRefused("--https-port: needs --https auto or --certificate")
    if options.certificate is not None:
        return certificate_context(options.certificate, options.certificate_key)
    if options.certificate_key is not None:
        raise StartRefused("--certificate-key: needs --certificate, the certificate for the key")
    if options.https == "auto":
        require_cryptography("--https auto")
    return None


def require_cryptography(what: str) -> None:
    """Raises StartRefused if the package that makes certificates is not installed. what: what needs it."""
    if importlib.util.find_spec("cryptography") is None:
        raise StartRefused(
            f"{what}: needs the package cryptography; install it, or custom-vision-emulator[https]"
        )


def certificate_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """The context for a certificate and its key in PEM files.

    Args:
        certificate: the certificate, followed by intermediate ones.
        key: the private key; None: it is in the file of the certificate.

    Raises:
        StartRefused: the files cannot be used.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    is_encrypted = False

    def password() -> str:
        nonlocal is_encrypted
        is_encrypted = True
        return ""

    try:
        context.load_cert_chain(certificate, key, password=password)
        problem = _date_problem(context, certificate)
    except OSError as error:
        problem = "the key has a password" if is_encrypted else _reason(error)
    if problem is not None:
        files = repr(str(certificate)) + ("" if key is None else f" and {str(key)!r}")
        raise StartRefused(f"--certificate, --certificate-key: cannot use {files}: {problem}")
    return context


def _reason(error: OSError) -> str | None:
    import ssl

    if not isinstance(error, ssl.SSLError):
        return error.strerror
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return error.reason or "not in PEM format"


def _date_problem(server: ssl.SSLContext, certificate: Path) -> str | None:
    """Why today is not within the dates of a server's certificate; None if it is.

    The module ssl checks the dates of a certificate only in a connection, which is made in memory.
    """
    import ssl

    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_side=False),
    )
    for end in reversed(ends * 2):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as error:
            if error.verify_code == _CERTIFICATE_EXPIRED:
                return "the certificate has expired"
            if error.verify_code == _CERTIFICATE_NOT_YET_VALID:
                return "the certificate is not valid yet"
            break
        except ssl.SSLError:
            break
    return None


def authority_context(
    folder: Path, names: ServerNames, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> ssl.SSLContext:
    """The context with a certificate of the emulator's own authority.

    The certificate is issued at the start, its key is in memory only, and it is renewed in time while the
    server runs.

    Args:
        folder: of the authority, which is made if there is none.
        names: that the certificate is for.
        clock: the date of the system; replaced in tests.

    Raises:
        StartRefused: the authority cannot be used.
    """
    import ssl

    from emulator.server.authority import SERVER_LIFETIME, AuthorityUnusable, open_authority

    try:
        authority, is_new = open_authority(folder, names, clock())
    except AuthorityUnusable as error:
        raise StartRefused(f"--https auto: {error}") from None
    if is_new:
        _log.warning(
            "A new certificate authority is in %s. Clients have to trust it: custom-vision-emulator trust",
            folder / CERTIFICATE_FILE,
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def renew() -> datetime:
        now = clock()
        with tempfile.TemporaryDirectory(prefix="custom-vision-emulator-") as temporary:
            # Only its owner can enter this folder.
            file = Path(temporary) / "certificate.pem"
            file.write_bytes(authority.issue(names, now))
            context.load_cert_chain(file)
        return now + SERVER_LIFETIME * 2 / 3

    try:
        next_renewal = renew()
    except OSError as error:
        raise StartRefused(
            f"--https auto: cannot write a temporary file: {error.strerror or error}"
        ) from None

    def renew_when_due(*_: object) -> None:
        nonlocal next_renewal
        if clock() < next_renewal:
            return
        try:
            next_renewal = renew()
        except OSError as error:
            _log.error("The certificate of this server was not renewed: %s", error.strerror or error)

    # OpenSSL calls this at the beginning of each handshake; those that have begun keep their certificate.
    context.sni_callback = renew_when_due
    return context
