"""The files of the portal as they are served: page, caching, encodings, and what is refused."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from emulator.core.thread_pools import Work
from emulator.portal import static_files
from tests.support.harness import Service, expect

SCRIPT = "assets/index-4f5e6d7c.js"
COMPRESSED = {".br": b"as if by Brotli", ".gz": gzip.compress(b"console.log(1)")}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small portal in place of the built one."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    nonce = '<meta name="csp-nonce" content="__CSP_NONCE__"><style nonce="__CSP_NONCE__"></style>'
    icon = '<link rel="icon" href="./icon.svg">'
    (folder / "index.html").write_text(f"<!doctype html>{nonce}{icon}<p>grün", encoding="utf-8")
    (folder / SCRIPT).write_bytes(b"console.log(1)")
    for suffix, data in COMPRESSED.items():
        (folder / f"{SCRIPT}{suffix}").write_bytes(data)
    (folder / "assets" / "small-1.css").write_bytes(b"p{}")
    (folder / "icon.svg").write_bytes(b"<svg/>")
    (folder / ".hidden.txt").write_bytes(b"hidden")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    monkeypatch.setattr(static_files, "FOLDER", folder)
    return folder


def get(service: Service, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in {"Accept-Encoding": "", **headers}.items()}
    return service.request(method, path, key=None, headers=sent)


# --- the page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["", "index.html", "projects", "projects/", "projects/1/results/2?tag=a.b", "a/b/c", "emulator"]
)
def test_every_path_without_an_extension_is_the_page(service: Service, built: Path, path: str) -> None:
    response = get(service, f"/portal/{path}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.text.endswith("<p>grün")


@pytest.mark.parametrize(
    ("path", "icon"),
    [
        ("", "./icon.svg"),
        ("emulator", "./icon.svg"),
        ("projects/", "../icon.svg"),
        ("projects/1/results/2", "../../../icon.svg"),
    ],
)
def test_the_page_refers_to_its_files_by_relative_addresses(
    service: Service, built: Path, path: str, icon: str
) -> None:
    """A proxy may have removed a prefix from the path."""
    assert f'href="{icon}"' in get(service, f"/portal/{path}").text
    assert urljoin(f"/vision/portal/{path}", icon) == "/vision/portal/icon.svg"


def test_each_response_has_a_nonce_of_its_own(service: Service, built: Path) -> None:
    nonces = set()
    for _ in range(3):
        response = get(service, "/portal/")
        (nonce,) = set(re.findall(r'(?:content|nonce)="([^"]+)"', response.text))
        policy = response.headers["content-security-policy"]
        assert f"style-src 'self' 'nonce-{nonce}';" in policy
        nonces.add(nonce)
    assert len(nonces) == 3
    assert all(len(nonce) >= 16 for nonce in nonces)


def test_the_policy_allows_no_other_origin(service: Service, built: Path) -> None:
    policy = get(service, "/portal/").headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'self'"
    for name in ("object-src", "base-uri", "frame-ancestors", "form-action"):
        assert directives[name] == "'none'"
    assert not re.search(r"unsafe|https?:|\*", policy)


def test_a_portal_that_is_not_built_says_how_to_build_it(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_files, "FOLDER", tmp_path / "missing")
    response = get(service, "/portal/projects")
    assert response.status_code == 503
    assert "make setup" in response.text
    assert response.headers["cache-control"] == "no-store"
    assert get(service, "/portal/assets/a.js").status_code == 404


# --- files --------------------------------------------------------------------------------------------------


def test_hashed_files_are_kept_by_browsers(service: Service, built: Path) -> None:
    response = get(service, f"/portal/{SCRIPT}")
    assert (response.status_code, response.content) == (200, b"console.log(1)")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "content-encoding" not in response.headers


def test_a_file_is_found_and_read_in_one_thread(
    service: Service, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = []

    def of(work: Work) -> ThreadPoolExecutor:
        works.append(work)
        return threads(work)

    pools = service.app.state.threads
    threads = pools.of
    monkeypatch.setattr(pools, "of", of)
    get(service, f"/portal/{SCRIPT}")
    assert works == ["quick"]


def test_other_files_are_confirmed_each_time(service: Service, built: Path) -> None:
    response = get(service, "/portal/icon.svg")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["content-type"] == "image/svg+xml"
    again = get(service, "/portal/icon.svg", If_None_Match=response.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == response.headers["etag"]
    (built / "icon.svg").write_bytes(b"<svg></svg>")
    assert get(service, "/portal/icon.svg", If_None_Match=response.headers["etag"]).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip;q=1.0", "gzip"),
        ("*", "br"),
        ("*, br;q=0", "gzip"),
        ("gzip;q=0", None),
        ("identity", None),
        ("", None),
        ("brotli", None),
        (";;,,q=0", None),
    ],
)
def test_the_encoding_is_one_that_the_client_accepts(
    service: Service, built: Path, accepted: str, encoding: str | None
) -> None:
    # The client would decode what the stand-in for Brotli is.
    request = service.client.build_request(
        "GET", f"http://emulator.localhost/portal/{SCRIPT}", headers={"Accept-Encoding": accepted}
    )
    response = service._loop.run(service.client.send(request, stream=True))
    data = service._loop.run(read_raw(response))
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "Accept-Encoding" in response.headers.get_list("vary")
    expected = {"br": COMPRESSED[".br"], "gzip": COMPRESSED[".gz"], None: b"console.log(1)"}
    assert data == expected[encoding]
    assert response.headers["content-length"] == str(len(data))


async def read_raw(response: httpx.Response) -> bytes:
    return b"".join([chunk async for chunk in response.aiter_raw()])


def test_encodings_have_different_tags(service: Service, built: Path) -> None:
    tags = {
        get(service, f"/portal/{SCRIPT}", "HEAD", Accept_Encoding=one).headers["etag"]
        for one in ("br", "gzip", "")
    }
    assert len(tags) == 3


def test_a_file_without_a_compressed_copy_is_sent_as_it_is(service: Service, built: Path) -> None:
    response = get(service, "/portal/assets/small-1.css", Accept_Encoding="gzip, br")
    assert response.content == b"p{}"
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("path", ["/portal/", f"/portal/{SCRIPT}", "/portal/session", "/portal"])
def test_head_has_the_headers_of_get(service: Service, built: Path, path: str) -> None:
    got, head = get(service, path), get(service, path, "HEAD")
    assert head.status_code == got.status_code
    for name in ("content-type", "content-length", "cache-control", "location"):
        assert head.headers.get(name) == got.headers.get(name)


@pytest.mark.parametrize(
    "path",
    [
        "assets/missing-1.js",
        "assets/missing",
        "assets/",
        "missing.js",
        "../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "assets/../../secret.txt",
        "assets/%2e%2e/%2e%2e/secret.txt",
        "..%5csecret.txt",
        "link.txt",
        ".hidden.txt",
        "assets/index.js%00.txt",
        "c:%5csecret.txt",
        "%2fetc%2fpasswd.txt",
    ],
)
def test_other_paths_are_refused(service: Service, built: Path, path: str) -> None:
    # Clients normalise such paths; httpx sends them as they are.
    request = service.client.build_request("GET", "http://emulator.localhost/")
    request.url = request.url.copy_with(raw_path=f"/portal/{path}".encode())
    response = service._loop.run(service.client.send(request))
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_files_are_only_read(service: Service, built: Path, method: str) -> None:
    assert get(service, "/portal/projects", method).status_code == 404


# --- the way to it ------------------------------------------------------------------------------------------


def test_a_browser_is_led_to_the_portal(service: Service) -> None:
    accepted = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    for path, headers in (("/", {"Accept": accepted}), ("/portal", {})):
        response = service.request("GET", path, key=None, headers=headers)
        assert response.status_code in (302, 308)
        assert response.headers["location"] == "portal/"


@pytest.mark.parametrize("accepted", ["*/*", "application/json", ""])
def test_other_programs_are_not(service: Service, accepted: str) -> None:
    response = service.request("GET", "/", key=None, headers={"Accept": accepted})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert "/portal/" in response.text


def test_the_portal_is_not_in_the_request_log(service: Service, built: Path) -> None:
    get(service, "/portal/")
    get(service, f"/portal/{SCRIPT}")
    assert expect(service.request("GET", "/_emulator/requests"))["requests"] == []


def test_the_routes_are_imported_at_the_first_request() -> None:
    code = (
        "import sys, emulator.app; "
        "print([name for name in sys.modules if name.startswith('emulator.portal') or name == 'mimetypes'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "emulator.portal.routes" not in ran.stdout
    assert "emulator.portal.static_files" not in ran.stdout
