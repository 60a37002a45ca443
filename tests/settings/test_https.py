"""What follows from the options about https."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from emulator.settings import Settings, default_data_folder
from emulator.settings.https import has_https, local_endpoint, local_https_endpoint, server_names


def test_names_of_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Machine.local")
    settings = Settings(
        host="fe80::1%eth0",
        allowed_hosts=("*", "vision.example", "*.tunnel.example", "*.com", "192.168.1.5", "localhost"),
        public_url="https://Public.example:8443/emulator",
    )
    names = server_names(settings, settings.public_url)
    assert names.given == (
        "fe80::1",
        "public.example",
        "vision.example",
        "*.tunnel.example",
        "192.168.1.5",
        "localhost",
    )
    assert names.own == (
        "127.0.0.1",
        "::1",
        "host.docker.internal",
        "host.containers.internal",
        "custom-vision-emulator",
        "machine.local",
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize("machine", ["", "machine with blanks", "x" * 64, "größe"])
def test_what_is_no_name_is_left_out(monkeypatch: pytest.MonkeyPatch, host: str, machine: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    names = server_names(Settings(host=host))
    assert names.given == ()
    assert names.own[-1] == "custom-vision-emulator"


def test_endpoints() -> None:
    plain, secure = Settings(), Settings(https="auto")
    both = Settings(https="auto", https_port=10443, host="::")
    assert [has_https(one) for one in (plain, secure, both)] == [False, True, True]
    assert local_endpoint(plain, 1) == "http://127.0.0.1:1"
    assert local_endpoint(secure, 1) == "https://127.0.0.1:1"
    assert local_endpoint(both, 1) == "http://[::1]:1"
    assert local_https_endpoint(both, 2) == "https://[::1]:2"


def test_the_folder_of_the_authority(tmp_path: Path) -> None:
    assert Settings(data=tmp_path).authority_folder == tmp_path / "https"
    assert Settings(data=tmp_path, ephemeral=True).authority_folder == default_data_folder() / "https"
    assert Settings(https_authority=tmp_path, ephemeral=True).authority_folder == tmp_path
