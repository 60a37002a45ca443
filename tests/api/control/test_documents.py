"""The documents of the contract as the emulator serves them, and their page."""

import gzip
import json
import re
from html.parser import HTMLParser

import pytest

from emulator.api.control import documents
from emulator.contract.operations import OPERATIONS
from emulator.contract.versions import VERSIONS
from tests.contract_chain.spec import renderer
from tests.support.harness import NOWHERE, Service, expect

PLAIN = {"Accept-Encoding": "identity"}
ALL = [(api, version) for api in renderer.VERSIONS for version in renderer.VERSIONS[api]]


def path_of(api: str, version: str) -> str:
    return (
        "/_emulator/openapi/emulator.json"
        if api == "emulator"
        else f"/_emulator/openapi/{api}/{version}.json"
    )


@pytest.mark.parametrize(("api", "version"), ALL)
def test_the_served_documents_are_those_of_api_spec(service: Service, api: str, version: str) -> None:
    served = expect(service.request("GET", path_of(api, version), key=None, headers=PLAIN))
    rendered = json.loads(renderer.plain_json(api, version))
    assert served == rendered, "run: python api_spec/render.py --all"


def test_every_document_has_a_file_and_every_file_a_document() -> None:
    names = {file.name for file in renderer.SERVED.iterdir()}
    assert names == {f"{api}-{version}.json.gz" for api, version in ALL}
    assert {f"{api}-{version}" for api, version in ALL} == documents.NAMES


@pytest.mark.parametrize("api", ["training", "prediction"])
def test_the_newest_document_has_every_operation(service: Service, api: str) -> None:
    version = VERSIONS[api][-1].name  # type: ignore[index]
    served = expect(service.request("GET", path_of(api, version), key=None, headers=PLAIN))
    found = {
        item["operationId"]
        for path in served["paths"].values()
        for item in path.values()
        if "operationId" in item
    }
    assert found == {operation.name for operation in OPERATIONS if operation.api == api}


def test_compressed_for_who_can_read_it(service: Service) -> None:
    path = path_of("training", "3.3")
    plain = service.request("GET", path, key=None, headers=PLAIN)
    packed = service.send_unvalidated("GET", path)  # httpx decompresses the body
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 5
    assert packed.content == plain.content == gzip.decompress(documents.compressed("training-3.3"))
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize(
    "path",
    [
        "training/9.9.json",
        "training/3.3",
        "emulator/1.json/x",
        "training/..%2F..%2Fsettings.json",
        "other/3.3.json",
    ],
)
def test_unknown_documents_are_not_found(service: Service, path: str) -> None:
    response = service.send_unvalidated("GET", f"/_emulator/openapi/{path}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "404"


class References(HTMLParser):
    """The references of a page to other files."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_page_needs_nothing_from_elsewhere(service: Service) -> None:
    response = service.request("GET", "/_emulator/docs", key=None)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    page = References()
    page.feed(response.text)
    assert page.found == ["data:,"]
    assert "script" in page.tags
    assert not re.search(r"https?://|//cdn|@import|\burl\(", response.text)


def test_the_page_offers_every_document(service: Service) -> None:
    text = service.request("GET", "/_emulator/docs", key=None).text
    block = text[text.index("const DOCUMENTS = {") : text.index("};", text.index("const DOCUMENTS = {"))]
    offered = set(re.findall(r'"([a-z0-9.-]+)":', block.replace("emulator:", '"emulator":')))
    assert offered == {"emulator" if api == "emulator" else f"{api}-{version}" for api, version in ALL}


@pytest.mark.parametrize(
    ("query", "leads_to"),
    [
        ("", "../portal/"),
        (f"?projectId={NOWHERE}", "../portal/"),
        (f"?projectId={NOWHERE}&iterationId=//evil.example", "../portal/"),
        (f"?projectId={NOWHERE}&iterationId={NOWHERE}", f"../portal/projects/{NOWHERE}/results/{NOWHERE}"),
    ],
)
def test_the_former_page_of_models_leads_to_the_portal(service: Service, query: str, leads_to: str) -> None:
    response = service.request("GET", f"/_emulator/insight{query}", key=None)
    assert (response.status_code, response.headers["location"]) == (302, leads_to)
