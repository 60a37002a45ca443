"""Links in responses behind a reverse proxy that speaks TLS."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from emulator.gateway.proxies import TrustedProxies
from tests.support.harness import Service, running_service
from tests.support.images import picture

HTTPS = {"X-Forwarded-Proto": "https"}


def base(
    headers: dict[str, str],
    *trusted: str,
    client: tuple[str, int] | None = ("127.0.0.1", 5),
    host: str = "h.example",
) -> str:
    raw = [(name.lower().encode(), value.encode()) for name, value in {"Host": host, **headers}.items()]
    scope = {"type": "http", "scheme": "http", "client": client, "headers": raw}
    return TrustedProxies(trusted).base_url(scope)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "http://h.example"),
        (HTTPS, "https://h.example"),
        ({"X-Forwarded-Proto": "HTTPS"}, "https://h.example"),
        ({"X-Forwarded-Proto": "https, http"}, "https://h.example"),
        ({"X-Forwarded-Proto": "http,https"}, "http://h.example"),
        ({"X-Forwarded-Proto": "javascript"}, "http://h.example"),
        ({"X-Forwarded-Proto": ""}, "http://h.example"),
        ({**HTTPS, "X-Forwarded-Host": "v.example:8443"}, "https://v.example:8443"),
        ({**HTTPS, "X-Forwarded-Host": "v.example, inner"}, "https://v.example"),
        ({**HTTPS, "X-Forwarded-Host": "[2001:db8::1]:8443"}, "https://[2001:db8::1]:8443"),
        ({**HTTPS, "X-Forwarded-Host": "v.example/path"}, "https://h.example"),
        ({**HTTPS, "X-Forwarded-Host": "user@v.example"}, "https://h.example"),
        ({"X-Forwarded-Host": "v.example"}, "http://v.example"),
        ({**HTTPS, "X-Forwarded-Port": "8443"}, "https://h.example:8443"),
        ({**HTTPS, "X-Forwarded-Port": "80"}, "https://h.example"),
        ({**HTTPS, "X-Forwarded-Port": "x"}, "https://h.example"),
        ({**HTTPS, "X-Forwarded-Host": "v.example:1", "X-Forwarded-Port": "8443"}, "https://v.example:1"),
        ({"Forwarded": "for=192.0.2.43;proto=https;host=v.example"}, "https://v.example"),
        (
            {"Forwarded": 'For="[2001:db8::1]";Proto="HTTPS" ; host="v.example:8443"'},
            "https://v.example:8443",
        ),
        ({"Forwarded": "for=1.2.3.4, proto=https"}, "http://h.example"),
        ({"Forwarded": "proto=https, proto=http"}, "https://h.example"),
        ({"Forwarded": "proto=https;;;"}, "https://h.example"),
        ({"Forwarded": "nonsense"}, "http://h.example"),
        ({"X-Forwarded-Proto": "http", "Forwarded": "proto=https"}, "http://h.example"),
    ],
)
def test_headers_of_a_proxy_on_this_machine(headers: dict[str, str], expected: str) -> None:
    assert base(headers) == expected


@pytest.mark.parametrize(
    ("address", "trusted", "counts"),
    [
        ("127.0.0.1", (), True),
        ("127.4.5.6", (), True),
        ("::1", (), True),
        ("::ffff:127.0.0.1", (), True),
        ("172.17.0.1", (), False),
        ("172.17.0.1", ("172.16.0.0/12",), True),
        ("::ffff:172.17.0.1", ("172.16.0.0/12",), True),
        ("172.17.0.1", ("172.17.0.2/32", "fd00::/8"), False),
        ("fd00::5%eth0", ("fd00::/8",), True),
        ("a name", ("0.0.0.0/0",), False),
    ],
)
def test_peers_that_are_trusted(address: str, trusted: tuple[str, ...], counts: bool) -> None:
    expected = "https://h.example" if counts else "http://h.example"
    assert base(HTTPS, *trusted, client=(address, 5)) == expected


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["10.0.0.1"], "10.0.0.1"),
        ("10.0.0.9", ["10.0.0.1"], "10.0.0.9"),
        # The first address is what the client claims.
        ("127.0.0.1", ["1.2.3.4, 10.0.0.1"], "10.0.0.1"),
        ("127.0.0.1", ["1.2.3.4", "10.0.0.1"], "10.0.0.1"),
        ("127.0.0.1", ["1.2.3.4, 10.0.0.1, 172.17.0.1"], "10.0.0.1"),
        ("127.0.0.1", ["10.0.0.1:4711"], "10.0.0.1"),
        ("127.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", ["10.0.0.1, nonsense"], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", [",,,"], "127.0.0.1"),
    ],
)
def test_the_address_of_a_client_behind_proxies(peer: str, forwarded: list[str], client: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    proxies = TrustedProxies(["172.16.0.0/12"])
    assert proxies.client_address({"type": "http", "client": (peer, 5), "headers": headers}) == client


@pytest.mark.parametrize("host", ["", " ", "a b", 'a"b', "a/b?c#d", "user@v.example"])
@pytest.mark.parametrize(
    ("server", "expected"),
    [(("127.0.0.1", 10010), "127.0.0.1:10010"), (("::1", 10010), "[::1]:10010"), (None, "localhost")],
)
def test_requests_without_a_valid_host(host: str, server: tuple[str, int] | None, expected: str) -> None:
    headers = [(b"host", host.encode())] if host else []
    scope = {
        "type": "http",
        "scheme": "http",
        "client": ("10.0.0.9", 5),
        "server": server,
        "headers": headers,
    }
    assert TrustedProxies().base_url(scope) == f"http://{expected}"


def test_a_peer_without_an_address_is_not_trusted() -> None:
    assert base(HTTPS, client=None) == "http://h.example"


def test_every_link_begins_with_https(service: Service) -> None:
    project, _, _ = service.trainable(domainId="0732100f-1a38-4e49-a514-c9b44c697ab5")
    headers = {"Host": "vision.example", **HTTPS}
    iteration = service.train(project)
    image = service.get(f"{project}/images", headers=headers)[0]
    links = [image[name] for name in ("originalImageUri", "resizedImageUri", "thumbnailUri")]
    links.append(service.get(f"{project}/export", headers=headers)["token"])
    service.export(iteration, "ONNX")
    links += [one["downloadUri"] for one in service.get(f"{iteration}/export", headers=headers)]
    summary = service.post(
        f"{project}/images",
        headers={**headers, "Content-Type": "application/octet-stream"},
        content=picture(9),
    )
    links.append(summary["images"][0]["image"]["originalImageUri"])
    service.predict(service.publish(iteration), picture(8))
    stored = service.post(f"{project}/predictions/query", json={}, headers=headers)["results"][0]
    links += [stored["originalImageUri"], stored["thumbnailUri"]]
    assert [link for link in links if not link.startswith("https://vision.example/")] == []


def test_an_https_link_is_a_source_of_images(service: Service) -> None:
    project = service.project()
    service.images(project, [picture(3)])
    uri = service.get(f"{project}/images", headers={"Host": "vision.example", **HTTPS})[0]["originalImageUri"]
    other = service.project("other")
    summary = service.post(f"{other}/images/urls", json={"images": [{"url": uri}]})
    assert summary["images"][0]["status"] == "OK"


def test_links_in_responses_to_other_peers(tmp_path: Path) -> None:
    for service in running_service(tmp_path, trusted_proxies=("10.0.0.0/8",)):
        project = service.project()
        service.images(project, [picture(3)])
        for peer, scheme in (("10.1.2.3", "https"), ("11.1.2.3", "http")):
            transport = httpx.ASGITransport(service.app, client=(peer, 5))
            service.client = httpx.AsyncClient(transport=transport)
            image = service.get(f"{project}/images", headers=HTTPS)[0]
            assert image["originalImageUri"].startswith(f"{scheme}://emulator.localhost/")


def test_the_public_url_takes_precedence(tmp_path: Path) -> None:
    for service in running_service(tmp_path, public_url="http://cv.example/base"):
        project = service.project()
        service.images(project, [picture(3)])
        image = service.get(f"{project}/images", headers=HTTPS)[0]
        assert image["originalImageUri"].startswith("http://cv.example/base/i-")
