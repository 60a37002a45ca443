"""The command `trust`: how clients come to trust the certificate authority of `--https auto`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.server.tls import require_cryptography
from emulator.settings import SettingError, Settings
from emulator.settings.https import BUNDLE_FILE, CERTIFICATE_FILE, server_names


@click.command()
@with_settings
@click.option("--print-path", is_flag=True, help="Print only the path of the authority's certificate.")
@click.option("--pem", is_flag=True, help="Print only the certificate itself.")
def trust(settings: Settings, print_path: bool, pem: bool) -> None:
    """Print how to trust the certificate of https, for each system and runtime.

    Makes the certificate authority if there is none yet.
    """
    if settings.certificate is not None:
        raise SettingError(
            "--certificate: trust what issued this certificate; this command is for --https auto"
        )
    file = _certificate(settings)
    if print_path:
        print(file)
    elif pem:
        print(file.read_text(encoding="ascii"), end="")
    else:
        print(_instructions(file), end="")


def _certificate(settings: Settings) -> Path:
    """The certificate to trust; its authority is made if there is none yet. Raises CommandFailed."""
    folder = settings.authority_folder
    file = folder / CERTIFICATE_FILE
    if file.exists():  # it may be in use, and its key not readable: only a server replaces it
        return file
    require_cryptography("--https auto")
    from emulator.server.authority import AuthorityUnusable, open_authority

    try:
        open_authority(folder, server_names(settings, settings.public_url), datetime.now(UTC))
    except AuthorityUnusable as error:
        raise CommandFailed(f"--https auto: {error}") from None
    return file


def _instructions(file: Path) -> str:
    require_cryptography("trust")
    from emulator.server.authority import fingerprint, load_certificate, name_of, permitted_names

    try:
        certificate = load_certificate(file)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"cannot read the certificate {str(file)!r}: {error}") from None
    return _INSTRUCTIONS.format(
        file=file,
        folder=file.parent,
        bundle=file.with_name(BUNDLE_FILE),
        name=name_of(certificate),
        end=f"{certificate.not_valid_after_utc:%Y-%m-%d}",
        fingerprint=fingerprint(certificate),
        names=", ".join(permitted_names(certificate)),
    )


_INSTRUCTIONS = """\
Certificate authority of the emulator's https (--https auto)

  Certificate   {file}
  Name          {name}
  Valid until   {end}
  SHA-256       {fingerprint}
  For servers named (and below)
    {names}

Trust it where the client looks; one of these is enough for most clients.

This shell: Python (requests, httpx, msrest), Node, curl, Go, Ruby and .NET on Linux

  eval "$(custom-vision-emulator env --https auto --https-authority "{folder}")"

  or by hand. bundle.pem has the certificates that this system trusts, too: these variables replace them.

  export SSL_CERT_FILE="{bundle}"
  export REQUESTS_CA_BUNDLE="{bundle}"
  export CURL_CA_BUNDLE="{bundle}"
  export NODE_EXTRA_CA_CERTS="{file}"

One client

  curl          curl --cacert "{file}" ...
  Python        ssl.create_default_context(cafile="{file}")
  httpx         httpx.Client(verify=ssl.create_default_context(cafile="{file}"))
  requests      requests.get(..., verify="{file}")
  Azure SDK     client.config.connection.verify = "{file}"
  Node          NODE_EXTRA_CA_CERTS="{file}" node ...
  Java          keytool -importcert -noprompt -cacerts -storepass changeit -alias custom-vision-emulator \\
                  -file "{file}"
  .NET, Go      the store of the system (below), or SSL_CERT_FILE on Linux

This system

  Debian, Ubuntu, Alpine
    sudo cp "{file}" /usr/local/share/ca-certificates/custom-vision-emulator.crt
    sudo update-ca-certificates
  Fedora, RHEL
    sudo cp "{file}" /etc/pki/ca-trust/source/anchors/custom-vision-emulator.pem
    sudo update-ca-trust
  macOS
    security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db "{file}"
  Windows
    certutil -user -addstore Root "{file}"

Browsers on Linux (on macOS and Windows they use the store of the system)

  Chromium, Chrome, Edge (certutil is in the package libnss3-tools or nss-tools)
    certutil -d "sql:$HOME/.pki/nssdb" -A -t C,, -n "{name}" -i "{file}"
  Firefox
    Settings, Privacy & Security, View Certificates, Authorities, Import; or certutil as above with the folder
    of the profile

Containers

  From an emulator in a container, with its options in variables:
    docker compose exec custom-vision-emulator custom-vision-emulator trust --pem > authority.pem
  For a client in a container:
    docker run --volume "{file}:/authority.pem:ro" \\
      --env NODE_EXTRA_CA_CERTS=/authority.pem --env SSL_CERT_FILE=/authority.pem ...
"""
