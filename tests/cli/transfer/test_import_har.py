"""The command `import-har`: projects from HAR files."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from emulator.cli.errors import CommandFailed
from emulator.cli.main import app
from emulator.testing import EmulatorServer
from tests.support.cloud import KEY, Cloud

Import = Callable[..., str]
NOT_BASE64 = {
    "request": {"method": "GET", "url": "http://a"},
    "response": {"status": 200, "content": {"encoding": "base64", "text": "A"}},
}


class Browser:
    """Sends requests and keeps them as entries of a HAR file, as browsers do."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def get(self, url: str) -> httpx.Response:
        response = httpx.get(url, headers={"Training-Key": KEY}, trust_env=False)
        is_text = response.headers.get("content-type", "").startswith("application/json") or (
            response.content[:1] in b"[{"
        )
        content = (
            {"text": response.text}
            if is_text
            else {"text": b64encode(response.content).decode(), "encoding": "base64"}
        )
        self.entries.append(
            {
                "request": {
                    "method": "GET",
                    "url": url,
                    "headers": [
                        {"name": name, "value": value} for name, value in response.request.headers.items()
                    ],
                },
                "response": {"status": response.status_code, "content": {"mimeType": "", **content}},
            }
        )
        return response

    def save(self, file: Path) -> str:
        file.write_text(json.dumps({"log": {"version": "1.2", "entries": self.entries}}), "utf-8")
        return str(file)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(4) as started:
        yield started


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Import:
    def command(*arguments: str) -> str:
        app(["import-har", *arguments], standalone_mode=False)
        return capsys.readouterr().out

    return command


def test_a_project_that_a_browser_has_seen_is_served_here(cloud: Cloud, tmp_path: Path, run: Import) -> None:
    cloud.iterate()
    browser = Browser()
    path = f"{cloud.endpoint}/customvision/v3.3/training/projects/{cloud.id}"
    for rest in ("", "/tags", "/iterations", "/images/count"):
        browser.get(path + rest)
    images = browser.get(f"{path}/images?take=50&skip=0&orderBy=Oldest").json()
    for image in images[:3]:
        browser.get(image["originalImageUri"])
    browser.get(f"{cloud.endpoint}/elsewhere")
    har = browser.save(tmp_path / "traffic.har")
    data = tmp_path / "data"
    printed = run(har, "--data", str(data)).splitlines()
    assert printed[0] == "5 calls of the service in 9 entries"
    assert printed[1] == f"cloud ({cloud.id}): images 4 of 4, files 3, missing 1, iterations 1"
    assert printed[-1] == f"  inserted into {data}: 3 images, 1 iteration"
    with pytest.raises(CommandFailed, match=r"there is a project with the id .* --replace replaces it"):
        run(har, "--data", str(data))
    run(har, "--data", str(data), "--replace")
    with EmulatorServer(data=data) as server:
        headers = {"Training-Key": server.training_key}
        here = f"{server.endpoint}/customvision/v3.3/training/projects/{cloud.id}"
        shown = httpx.get(f"{here}/images", headers=headers, trust_env=False).json()
        assert {image["id"] for image in shown} == {image["id"] for image in images[:3]}
        tags = httpx.get(f"{here}/tags", headers=headers, trust_env=False).json()
        assert {tag["name"] for tag in tags} == {"red", "blue"}
        with pytest.raises(CommandFailed, match="is in use by process"):
            run(har, "--data", str(data), "--replace")
        arguments = (
            "--running",
            "--port",
            str(urlsplit(server.endpoint).port),
            "--archive",
            str(tmp_path / "other"),
        )
        assert "inserted into the running emulator: 3 images" in run(har, *arguments, "--replace")
    for file in (*data.rglob("*"), *(tmp_path / "other").rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            assert KEY.encode() not in content, file
            assert b"sig=" not in content, file


def test_an_archive_is_filled_alone(cloud: Cloud, tmp_path: Path, run: Import) -> None:
    browser = Browser()
    browser.get(
        f"{cloud.endpoint}/customvision/v3.3/training/projects/{cloud.id}/images?take=50&skip=0&orderBy=Oldest"
    )
    har = browser.save(tmp_path / "traffic.har")
    folder = tmp_path / "archive"
    printed = run(har, "--archive", str(folder), "--archive-only", "--data", str(tmp_path / "data"))
    assert f"a project without its name ({cloud.id}): images 4 of ?, files 0, missing 4" in printed
    assert (folder / cloud.id / "journal.sqlite").is_file()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{\n  broken", "traffic.har, line 2: it is no JSON"),
        ("[]", "is no HAR file: it has no log with entries"),
        ('{"log": {"entries": {}}}', "its entries are no list"),
        ('{"log": {"entries": []}}', "no successful call of the service"),
    ],
)
def test_files_that_are_no_recorded_traffic_are_refused(
    content: str, message: str, tmp_path: Path, run: Import
) -> None:
    file = tmp_path / "traffic.har"
    file.write_text(content, "utf-8")
    with pytest.raises(CommandFailed, match=message):
        run(str(file), "--data", str(tmp_path / "data"))


def test_entries_that_cannot_be_read_are_listed_and_the_others_are_used(
    cloud: Cloud, tmp_path: Path, run: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = Browser()
    path = f"{cloud.endpoint}/customvision/v3.3/training/projects/{cloud.id}"
    for rest in ("", "/tags", "/images?take=50&skip=0&orderBy=Oldest", "/iterations", "/images/count"):
        browser.get(path + rest)
    browser.entries[3]["response"]["content"] = {}
    browser.entries[4]["response"]["content"] = {"text": "{"}
    browser.entries = [{"request": {"method": "GET"}}, *browser.entries, NOT_BASE64]
    data = tmp_path / "data"
    with pytest.raises(CommandFailed, match=r"^4 of 7 entries cannot be read and are left out"):
        run(browser.save(tmp_path / "traffic.har"), "--data", str(data))
    printed = capsys.readouterr()
    assert printed.out.startswith("3 calls of the service in 7 entries\ncloud")
    assert f"inserted into {data}: 0 images" in printed.out
    assert [line.partition(": ")[::2] for line in printed.err.splitlines()][:3] == [
        ("  entry 1 is left out", "it has no response"),
        ("  entry 5 is left out", "its response has no content"),
        ("  entry 6 is left out", "its response is no JSON"),
    ]
    assert printed.err.splitlines()[3].startswith("  entry 7 is left out: ")


def test_a_file_without_an_entry_that_can_be_read_is_refused(tmp_path: Path, run: Import) -> None:
    browser = Browser()
    browser.entries = [NOT_BASE64]
    with pytest.raises(CommandFailed, match="no successful call of the service"):
        run(browser.save(tmp_path / "traffic.har"), "--data", str(tmp_path / "data"))


def test_a_file_that_is_missing_is_named(tmp_path: Path, run: Import) -> None:
    with pytest.raises(CommandFailed, match=r"cannot read .*: No such file or directory"):
        run(str(tmp_path / "none.har"), "--data", str(tmp_path / "data"))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (5, "it is no object"),
        ({"request": None}, "it has no request"),
        ({"request": {"method": "GET", "url": "http://a"}, "response": "x"}, "its response is no object"),
        ({"request": {"url": "http://a"}, "response": {"status": 200}}, "it has no method"),
        ({"request": {"method": "GET", "url": "http://a"}, "response": {}}, "its response has no status"),
        (
            {"request": {"method": "GET", "url": "http://a"}, "response": {"status": 10**400}},
            "the status of its response is no whole number",
        ),
        (
            {"request": {"method": "GET", "url": "http://a", "headers": ["x"]}, "response": {"status": 200}},
            "a header of its request has no name",
        ),
        (
            {
                "request": {"method": "GET", "url": "http://a"},
                "response": {"status": 200, "content": {"text": 5}},
            },
            "the text of its response is no string",
        ),
        (NOT_BASE64, "the text of its response is no Base64: "),
    ],
)
def test_what_an_entry_lacks_is_said(
    cloud: Cloud, entry: Any, reason: str, tmp_path: Path, run: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = Browser()
    browser.get(f"{cloud.endpoint}/customvision/v3.3/training/projects/{cloud.id}")
    browser.entries.insert(0, entry)
    arguments = ("--archive-only", "--archive", str(tmp_path / "archive"))
    with pytest.raises(CommandFailed, match=r"^1 of 2 entries"):
        run(browser.save(tmp_path / "traffic.har"), *arguments)
    printed = capsys.readouterr()
    assert printed.err.startswith(f"  entry 1 is left out: {reason}")
    assert printed.out.startswith("1 call of the service in 2 entries\ncloud")


@pytest.mark.parametrize(
    "change",
    [
        {"regions": 5},
        {"tags": "x"},
        {"tags": [{}]},
        {"regions": [{"left": "a"}]},
        {"created": 5, "tags": [{}]},
    ],
)
def test_a_response_of_another_form_is_listed_and_the_others_are_used(
    cloud: Cloud, change: dict[str, Any], tmp_path: Path, run: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = Browser()
    path = f"{cloud.endpoint}/customvision/v3.3/training/projects/{cloud.id}"
    for rest in ("", "/tags", "/images?take=50&skip=0&orderBy=Oldest"):
        browser.get(path + rest)
    content = browser.entries[2]["response"]["content"]
    images = json.loads(content["text"])
    images[0].update(change)
    content["text"] = json.dumps(images)
    data = tmp_path / "data"
    with pytest.raises(CommandFailed, match=r"^1 of 3 entries"):
        run(browser.save(tmp_path / "traffic.har"), "--data", str(data))
    printed = capsys.readouterr()
    assert printed.err == "  entry 3 is left out: its contents are not of the form of GetImages\n"
    assert f"inserted into {data}: 0 images" in printed.out


def test_a_project_that_cannot_be_inserted_does_not_end_the_others(
    cloud: Cloud, tmp_path: Path, run: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = Browser()
    path = f"{cloud.endpoint}/customvision/v3.3/training/projects/{cloud.id}"
    for rest in ("", "/tags"):
        browser.get(path + rest)
    other = "00000000-0000-4000-8000-000000000000"  # before the project, in order
    damaged = json.loads(json.dumps(browser.entries[0]).replace(cloud.id, other))
    described = json.loads(damaged["response"]["content"]["text"])
    described["settings"] = {}
    damaged["response"]["content"]["text"] = json.dumps(described)
    browser.entries.insert(0, damaged)
    data = tmp_path / "data"
    with pytest.raises(CommandFailed, match="1 project with an error, see above"):
        run(browser.save(tmp_path / "traffic.har"), "--data", str(data))
    printed = capsys.readouterr()
    assert printed.err.startswith(f"  {other}: not inserted: ")
    assert printed.out.splitlines()[-1] == "2 projects: inserted 1, already here 0, not inserted 1"
