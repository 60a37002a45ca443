"""The mode replay: recorded responses in their order, without the upstream."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from msrest.authentication import ApiKeyCredentials

from emulator.pulling.recording.tape import Kept, Tape, TapeUnusable, key_of
from emulator.testing import EmulatorServer
from tests.support.images import picture

UPSTREAM_KEYS = {"training_key": "a" * 32, "prediction_key": "b" * 32}


@pytest.fixture
def source() -> Iterator[EmulatorServer]:
    with EmulatorServer(**UPSTREAM_KEYS) as started:
        yield started


def client_of(front: EmulatorServer, key: str) -> CustomVisionTrainingClient:
    return CustomVisionTrainingClient(front.endpoint, ApiKeyCredentials(in_headers={"Training-key": key}))


def asked(front: EmulatorServer, path: str, key: str, method: str = "GET") -> httpx.Response:
    url = f"{front.endpoint}{path}"
    return httpx.request(method, url, headers={"Training-Key": key}, trust_env=False, timeout=60)


def choose(front: EmulatorServer, mode: str) -> Any:
    url, headers = f"{front.endpoint}/_emulator/upstream", {"Training-Key": front.training_key}
    response = httpx.put(url, headers=headers, json={"mode": mode}, trust_env=False, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_program_gets_what_it_got_in_the_same_order(source: EmulatorServer, tmp_path: Path) -> None:
    project = source.create_project({"red": 5, "blue": 5}).id
    path = f"/customvision/v3.3/training/projects/{project}"
    options: dict[str, Any] = {"data": tmp_path, "upstream": source.endpoint, "allow_upstream_writes": True}

    def program(front: EmulatorServer, key: str) -> list[Any]:
        with client_of(front, key) as client:
            seen: list[Any] = [client.get_image_count(project)]
            summary = client.create_images_from_data(project, picture(77))  # a form with another boundary
            seen += [summary.images[0].image.id, client.get_image_count(project)]
        for rest in ("/images?take=3&skip=0", "/tags", "/images?take=x", "/iterations/none"):
            response = asked(front, path + rest, key)
            seen.append((response.status_code, response.headers["content-type"]))
        return seen

    with EmulatorServer(**options, upstream_mode="record") as front:
        expected = program(front, source.training_key)
        listed = asked(front, f"{path}/images?take=3&skip=0", source.training_key).json()
        source.stop()
        assert choose(front, "replay")["recordedCallCount"] == 8
        assert program(front, front.training_key) == expected
        assert expected[2] == expected[0] + 1
        again = asked(front, f"{path}/images?skip=0&take=3", front.training_key).json()
        assert [image["id"] for image in again] == [image["id"] for image in listed]
        choose(front, "replay")  # from the beginning
        with client_of(front, front.training_key) as client:
            counts = [client.get_image_count(project) for _ in range(3)]
        assert counts == [expected[0], expected[2], expected[2]]  # the last one stays
    with EmulatorServer(**options, upstream_mode="replay") as front:
        with client_of(front, front.training_key) as client:
            assert client.get_image_count(project) == expected[0]
        unknown = asked(front, f"{path}/images/tagged/count", front.training_key)
        assert unknown.status_code == 404
        assert "No response to this call was recorded: GET" in unknown.text
        assert asked(front, f"{path}/tags", source.training_key).status_code == 401
    for file in tmp_path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert source.training_key.encode() not in content, file
            assert b"sig=" not in content, file


def test_a_tape_that_cannot_be_read_is_named(source: EmulatorServer, tmp_path: Path) -> None:
    (tmp_path / "recorded").mkdir()
    (tmp_path / "recorded" / "calls.sqlite").write_bytes(b"no database" * 1000)
    with EmulatorServer(data=tmp_path, upstream=source.endpoint, upstream_mode="replay") as front:
        response = asked(front, "/customvision/v3.3/training/projects", front.training_key)
        assert response.status_code == 500
        assert "calls.sqlite' cannot be used" in response.text
        assert asked(front, "/_emulator/upstream", front.training_key).status_code == 409


# --- what makes calls the same ------------------------------------------------------------------------------

CALL: dict[str, Any] = {
    "method": "POST", "version": "3.3", "path": "/training/projects", "query": "a=1&b=2",
    "content_type": "application/json", "body": b'{"x": 1, "y": [2, 3]}',
}  # fmt: skip


def form(boundary: str, content: bytes) -> dict[str, Any]:
    body = b"--%s\r\nContent-Disposition: form-data; name=f\r\n\r\n%s\r\n--%s--\r\n"
    name = boundary.encode()
    return {
        "content_type": f"multipart/form-data; boundary={boundary}",
        "body": body % (name, content, name),
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"query": "B=2&a=1"}),
        ({}, {"body": b'{"y":[2,3],"x":1}'}),
        (form("one", b"image"), form("another", b"image")),
    ],
)
def test_the_same_call_in_another_form_is_the_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert key_of(**CALL | first) == key_of(**CALL | second)


@pytest.mark.parametrize(
    "other",
    [
        {"method": "PATCH"},
        {"version": "3.0"},
        {"path": "/training/projects/"},
        {"query": "a=1&b=3"},
        {"body": b'{"x": 1, "y": [3, 2]}'},
        {"body": b"{"},
        form("one", b"image"),
    ],
)
def test_another_call_is_another(other: dict[str, Any]) -> None:
    assert key_of(**CALL) != key_of(**CALL | other)
    assert key_of(**CALL | form("one", b"image")) != key_of(**CALL | form("one", b"images"))


def test_signatures_are_removed_however_they_are_written(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    body = (
        b'{"a": "https://h/i?se=1&sig=s%2Bcret&sp=r", "b": "https://h/i?sp=r\\u0026sig=secret", '
        b'"c": "design=x"}'
    )
    tape.add(b"key", Kept(200, "application/json", "", body))
    kept = tape.next(b"key")
    assert kept is not None
    assert kept.body == (
        b'{"a": "https://h/i?se=1&signature-removed&sp=r", "b": "https://h/i?sp=r\\u0026signature-removed", '
        b'"c": "design=x"}'
    )
    assert tape.next(b"another") is None
    tape.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TapeUnusable, match="cannot be used"):
        Tape(tmp_path / "file")
