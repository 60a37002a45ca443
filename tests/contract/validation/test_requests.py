"""The validator of requests reports every departure and accepts documented requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.contract.validation.documents import Documents, shipped
from emulator.contract.validation.requests import RequestValidator
from emulator.contract.versions import VERSIONS
from tests.contract_chain.spec import VERSIONS as DOCUMENTED
from tests.contract_chain.spec import render

ID = "a57d5206-9303-48f9-8dd8-6ca341c9ce2a"
PROJECT = f"/customvision/v3.3/training/projects/{ID}"
NEWEST = f"/customvision/v3.4-preview/training/projects/{ID}"
CLASSIFY = f"/customvision/v3.1/prediction/{ID}/classify/iterations/my%2Fname"
_validator = RequestValidator(Documents(shipped, DOCUMENTED))


def check(
    method: str, url: str, body: Any = None, content_type: str | None = "application/json; charset=utf-8"
) -> list[str]:
    path, _, query = url.partition("?")
    if body is None:
        return _validator.check(method, path, query, content_type, b"")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _validator.check(method, path, query, content_type, data)


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/customvision/v3.3/training/projects", None),
        ("GET", "//CustomVision/V3.3/Training/Projects/", None),
        ("HEAD", "/customvision/v3.3/training/projects", None),
        ("GET", f"{PROJECT}/images?tagIds={ID},{ID}&take=5&skip=0&orderBy=Newest", None),
        ("GET", f"{PROJECT}/images?tagIds={ID}%2C{ID}", None),
        ("GET", f"{PROJECT}/iterations/{ID}/performance?threshold=0.5&overlapThreshold=1e-2", None),
        ("DELETE", f"{PROJECT}/images?imageIds={ID}&allIterations=true", None),
        ("POST", f"{PROJECT}/tags?name=a%20b&type=Negative", None),
        ("PATCH", f"{PROJECT}/tags/{ID}", {"name": "a", "description": None}),
        ("POST", f"{PROJECT}/train", None),
        ("POST", f"{PROJECT}/train", {"selectedTags": [ID]}),
        ("POST", f"{PROJECT}/images/metadata?imageIds={ID}", {"any key": "text"}),
        ("POST", f"{CLASSIFY}/url", {"url": "https://host.example/a.jpg"}),
        (
            "POST",
            f"{PROJECT}/images/files",
            {"images": [{"name": "a", "contents": "AA==", "tagIds": [ID], "regions": []}]},
        ),
    ],
)
def test_documented_requests_have_no_departures(method: str, url: str, body: Any) -> None:
    assert check(method, url, body) == []


@pytest.mark.parametrize("kind", ["application/octet-stream", "multipart/form-data; boundary=x"])
def test_images_are_not_parsed(kind: str) -> None:
    assert check("POST", f"{CLASSIFY}/image", b"anything", kind) == []


@pytest.mark.parametrize(
    ("method", "url", "departure"),
    [
        (
            "GET",
            "/customvision/v3.9/training/projects",
            "version 3.9 has no document; the request is compared with that of 3.4-preview",
        ),
        ("GET", "/customvision/v2.2/training/projects", "version 2.2 has no document"),
        ("GET", "/customvision/vx/training/projects", "version x has no document"),
        (
            "GET",
            f"{PROJECT}/nothing",
            "Training 3.3 has no operation with this path and the method GET",
        ),
        (
            "GET",
            f"/customvision/v3.0/training/projects/{ID}/images",
            "Training 3.0 has no operation with this path and the method GET",
        ),
        (
            "GET",
            "/customvision/v3.3/training/projects/abc",
            "path parameter 'projectId': 'abc' is not a 'uuid'",
        ),
        (
            "GET",
            f"/customvision/v3.3/training/projects/{ID.replace('-', '')}",
            f"path parameter 'projectId': '{ID.replace('-', '')}' is not a 'uuid'",
        ),
        ("GET", f"{PROJECT}?x=1", "query parameter 'x' is not documented"),
        ("GET", f"{PROJECT}/images?Take=1", "query parameter 'Take' is documented as 'take'"),
        ("GET", f"{PROJECT}/images?take=x", "query parameter 'take': 'x' is no integer"),
        ("GET", f"{PROJECT}/images?take=", "query parameter 'take': '' is no integer"),
        (
            "GET",
            f"{PROJECT}/images?take=257",
            "query parameter 'take': 257 is greater than the maximum of 256",
        ),
        (
            "GET",
            f"{PROJECT}/images?take=1&take=2",
            "query parameter 'take' is given 2 times; documented is once",
        ),
        (
            "GET",
            f"{PROJECT}/images?tagIds={ID}&tagIds={ID}",
            "query parameter 'tagIds' is given 2 times; documented is once, with commas between its values",
        ),
        ("GET", f"{PROJECT}/images?tagIds={ID},b", "query parameter 'tagIds': $[1]: 'b' is not a 'uuid'"),
        (
            "GET",
            f"{PROJECT}/images?orderBy=newest",
            "query parameter 'orderBy': 'newest' is not one of ['Newest', 'Oldest']",
        ),
        (
            "DELETE",
            f"{PROJECT}/images?allImages=True",
            "query parameter 'allImages': 'True' is no boolean",
        ),
        ("POST", f"{PROJECT}/tags", "query parameter 'name' is required"),
        ("PATCH", f"{PROJECT}/tags/{ID}", "the body is missing"),
    ],
)
def test_departures_of_paths_and_queries(method: str, url: str, departure: str) -> None:
    assert check(method, url) == [departure]


@pytest.mark.parametrize(
    ("url", "body", "departures"),
    [
        (f"{PROJECT}/tags/{ID}", {"name": 5}, ["$.name: 5 is not of type 'string'"]),
        (f"{PROJECT}/tags/{ID}", {"Name": "a"}, ["$.Name: documented as 'name'"]),
        (f"{PROJECT}/tags/{ID}", {"color": "a"}, ["$.color is not documented"]),
        (f"{PROJECT}/tags/{ID}", {"type": "regular"}, None),
        (f"{PROJECT}/tags/{ID}", [], ["$: [] is not of type 'object'"]),
        (f"{PROJECT}/tags/{ID}", b"{'name': 'a'}", None),
        (f"{PROJECT}/tags/{ID}", b'{"name": NaN}', ["the body is not JSON: NaN is not JSON"]),
        (
            f"{PROJECT}/tags/{ID}",
            b'{"name": "a", "name": "b"}',
            ["an object has a property twice: name, name"],
        ),
        (PROJECT, {"settings": {"domainId": "x"}}, ["$.settings.domainId: 'x' is not a 'uuid'"]),
        (PROJECT, {"settings": {"zoom": 1}}, ["$.settings.zoom is not documented"]),
    ],
)
def test_departures_of_bodies(url: str, body: Any, departures: list[str] | None) -> None:
    found = check("PATCH", url, body)
    if departures is None:
        assert len(found) == 1
    else:
        assert found == departures


def test_properties_of_later_versions_are_departures() -> None:
    model = {"customBaseModelInfo": {"projectId": ID, "iterationId": ID}}
    assert check("POST", f"{NEWEST}/train", model) == []
    assert check("POST", f"{PROJECT}/train", model) == ["$.customBaseModelInfo is not documented"]


def test_bodies_where_none_is_documented() -> None:
    assert check("GET", PROJECT, b"abc") == ["a body of 3 bytes where none is documented"]
    assert check("GET", PROJECT) == []  # with Content-Type, as official clients send it


@pytest.mark.parametrize(
    ("kind", "departure"),
    [
        ("text/plain", "Content-Type is 'text/plain'; documented: application/json"),
        (None, "Content-Type is missing; documented: application/json"),
    ],
)
def test_content_types_of_json(kind: str | None, departure: str) -> None:
    assert check("PATCH", f"{PROJECT}/tags/{ID}", {"name": "a"}, kind) == [departure]
    assert check("PATCH", f"{PROJECT}/tags/{ID}", b"{", kind)[0] == departure


@pytest.mark.parametrize(
    ("kind", "departure"),
    [
        (
            "image/png",
            "Content-Type is 'image/png'; documented: multipart/form-data, application/octet-stream",
        ),
        ("multipart/form-data", "Content-Type has no boundary"),
    ],
)
def test_content_types_of_images(kind: str, departure: str) -> None:
    assert check("POST", f"{CLASSIFY}/image", b"abc", kind) == [departure]


def test_a_body_that_was_not_read_is_not_missing() -> None:
    assert _validator.check("PATCH", PROJECT, "", None, None) == []


@pytest.mark.parametrize(
    "path", ["/", "/_emulator/reset", "/training/projects", "/customvisionx/v3.3/training"]
)
def test_other_paths_are_not_validated(path: str) -> None:
    assert check("GET", path) == []


def test_hostile_requests_are_departures_and_no_errors() -> None:
    assert check("GET", f"{PROJECT}?" + "&".join(f"a{number}=1" for number in range(300))) == [
        "the query has more than 200 parameters"
    ]
    assert check("PATCH", PROJECT, b"[" * 100_000)[0].startswith("the body is not JSON")
    assert check("PATCH", PROJECT, b"\xff\xfe")[0].startswith("the body is not JSON")
    assert check("GET", f"{PROJECT}/images?take=" + "9" * 5000)[0].endswith("is no integer")
    assert check("GET", f"{PROJECT}/iterations/{ID}/performance?threshold=" + "9" * 5000)


def test_the_packages_documents_are_those_of_the_repository() -> None:
    for api, versions in VERSIONS.items():
        assert DOCUMENTED[api] == tuple(map(str, versions))
        for version in versions:
            assert shipped(api, version.name) == render(api, version.name)
