"""TLS of a server: its certificate and key from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emulator.settings import StartRefused

if TYPE_CHECKING:
    import ssl


def server_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The context for a certificate and its key in PEM files; None without a certificate: plain HTTP.

    Args:
        certificate: the certificate, followed by intermediate ones.
        key: the private key; None: it is in the file of the certificate.

    Raises:
        StartRefused: the files cannot be used.
    """
    if certificate is None:
        if key is not None:
            raise StartRefused("--certificate-key: needs --certificate, the certificate for the key")
        return None
    import ssl  # here, for a fast start: few users give these options

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    is_encrypted = False

    def password() -> str:
        nonlocal is_encrypted
        is_encrypted = True
        return ""

    try:
        context.load_cert_chain(certificate, key, password=password)
    except OSError as error:
        files = repr(str(certificate)) + ("" if key is None else f" and {str(key)!r}")
        reason = "the key has a password" if is_encrypted else _reason(error)
        raise StartRefused(f"--certificate, --certificate-key: cannot use {files}: {reason}") from None
    return context


def _reason(error: OSError) -> str | None:
    import ssl

    if not isinstance(error, ssl.SSLError):
        return error.strerror
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return error.reason or "not in PEM format"
