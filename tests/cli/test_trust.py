"""The command `trust`, and the variables of `env` with https."""

from __future__ import annotations

import shlex
import ssl
from pathlib import Path

import pytest

from emulator.settings import Settings
from emulator.settings.client_variables import quickstart_variables
from tests.support.program import run


def test_the_instructions_name_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    ran = run("trust", "--https-authority", str(folder))
    assert (ran.returncode, ran.stderr) == (0, "")
    authority = folder / "authority.pem"
    for line in (
        f'  export NODE_EXTRA_CA_CERTS="{authority}"',
        f'  export REQUESTS_CA_BUNDLE="{folder / "bundle.pem"}"',
        f'    sudo cp "{authority}" /usr/local/share/ca-certificates/custom-vision-emulator.crt',
        f'    security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db "{authority}"',
        f'    certutil -user -addstore Root "{authority}"',
        f'                  -file "{authority}"',
    ):
        assert line in ran.stdout.splitlines()
    assert authority.is_file()
    assert "{" not in ran.stdout


def test_the_path_and_the_certificate_alone(tmp_path: Path) -> None:
    options = ("trust", "--data", str(tmp_path))
    path = run(*options, "--print-path").stdout
    assert path == f"{tmp_path / 'https' / 'authority.pem'}\n"
    pem = run(*options, "--pem").stdout
    assert pem == Path(path.strip()).read_text(encoding="ascii")
    assert pem.startswith("-----BEGIN CERTIFICATE-----\n")


def test_a_certificate_of_the_user_is_not_that_of_the_authority(tmp_path: Path) -> None:
    ran = run("trust", "--certificate", str(tmp_path / "own.pem"))
    assert ran.returncode == 2
    assert "--certificate" in ran.stderr


def test_an_authority_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = run("trust", "--data", str(tmp_path / "file"))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("custom-vision-emulator: --https auto: cannot use the folder ")


def test_env_has_the_variables_of_https(tmp_path: Path) -> None:
    assert run("trust", "--data", str(tmp_path)).returncode == 0
    ran = run("env", "--https", "auto", "--data", str(tmp_path))
    variables = dict(
        shlex.split(line)[1].split("=", 1) for line in ran.stdout.splitlines() if line.startswith("export ")
    )
    assert variables["VISION_TRAINING_ENDPOINT"] == "https://127.0.0.1:10010"
    folder = tmp_path / "https"
    assert variables["NODE_EXTRA_CA_CERTS"] == str(folder / "authority.pem")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        assert variables[name] == str(folder / "bundle.pem")
    trusted = ssl.create_default_context(cafile=folder / "bundle.pem").get_ca_certs()
    assert len(trusted) > 50  # the public authorities
    assert any("Custom Vision Emulator CA" in str(one["subject"]) for one in trusted)


@pytest.mark.parametrize("settings", [Settings(), Settings(certificate=Path("own.pem"))])
def test_without_an_authority_env_has_no_more_variables(settings: Settings) -> None:
    assert all(name.startswith("VISION_") for name in quickstart_variables(settings))
