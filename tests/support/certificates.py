"""Certificates that tests make with openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_REQUEST = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
    "-addext subjectAltName=DNS:localhost,IP:127.0.0.1"
)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key. Skips the test without openssl."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is missing (on Debian: apt-get install openssl)")
    subprocess.run(
        [program, *_REQUEST.split(), "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem", folder / "key.pem"
