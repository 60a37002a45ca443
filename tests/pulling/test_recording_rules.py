"""What follows from the responses of single operations for the archive of a project."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from emulator.core.pulled.archive import WORKSPACE
from emulator.pulling.recording.exchanges import exchange_of_url
from emulator.pulling.recording.recorder import FileNotFetched, Recorder
from tests.support.cloud import guid
from tests.support.images import picture

PROJECT = guid(1)
ROOT = f"https://westeurope.api.cognitive.microsoft.com/customvision/v3.3/Training/projects/{PROJECT}"
IMAGE = {
    "id": guid(10),
    "created": "2020-11-06T16:15:00",
    "width": 48,
    "height": 36,
    "originalImageUri": "https://storage.test/i?sig=secret",
    "tags": [{"tagId": guid(2), "tagName": "red", "created": "2020-11-06T16:16:00"}],
    "regions": [
        {
            "regionId": guid(20), "tagId": guid(2), "tagName": "red", "created": "2020-11-06T16:16:00",
            "left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4,
        }
    ],
}  # fmt: skip
OTHER = {**IMAGE, "id": guid(11), "tags": [], "regions": []}
ITERATION = {
    "id": guid(30), "name": "Iteration 1", "status": "Completed", "created": "2020-11-06T18:00:00Z",
    "lastModified": "2020-11-06T18:00:00Z", "publishName": None,
}  # fmt: skip
TAGS = [{"id": guid(2), "name": "red", "type": "Regular"}, {"id": guid(3), "name": "blue", "type": "Regular"}]

DESCRIBED: dict[str, Any] = {"id": PROJECT, "name": "Screws", "settings": {"domainId": guid(4)}}

Note = Callable[..., None]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    def fetch(uri: str, most: int) -> bytes:
        if "gone" in uri:
            raise FileNotFetched("status 404")
        return picture(1)

    made = Recorder(tmp_path, fetch)
    yield made
    made.close()


@pytest.fixture
def note(recorder: Recorder) -> Note:
    """Records an exchange, given its method, path below the project, query and response."""

    def run(
        method: str, path: str, response: Any = None, *, status: int = 200, sent: Any = None, **query: str
    ) -> None:
        exchange = exchange_of_url(
            method=method,
            url=f"{ROOT}/{path}" + (f"?{urlencode(query)}" if query else ""),
            status=status,
            request=b"" if sent is None else json.dumps(sent).encode(),
            content_type="application/json",
            response=b"" if response is None else json.dumps(response).encode(),
        )
        if exchange is not None:
            recorder.note(exchange)

    return run


@pytest.fixture
def archive(recorder: Recorder, note: Note) -> Any:
    """The archive of a project with two tags, two images and an iteration."""
    note("GET", "tags", TAGS)
    note("GET", "images", [IMAGE, OTHER])
    note("GET", "iterations", [ITERATION])
    recorder.wait()
    return recorder._archives[PROJECT]


def images(archive: Any) -> dict[str, dict[str, Any]]:
    return {image["id"]: image for image in archive.listed(WORKSPACE)}


def test_lists_are_kept_without_uris_and_their_files_are_fetched(archive: Any) -> None:
    found = images(archive)
    assert found[guid(10)] == {name: value for name, value in IMAGE.items() if name != "originalImageUri"}
    assert archive.file("image", guid(11)).width == 48
    assert archive.document("tags") == TAGS
    assert archive.is_changed


def test_a_page_removes_nothing_and_a_deletion_does(archive: Any, note: Note) -> None:
    note("GET", "images", [OTHER], take="1")
    assert {*images(archive)} == {guid(10), guid(11)}
    note("DELETE", "images", imageIds=f"{guid(10)}")
    assert {*images(archive)} == {guid(11)}
    note("DELETE", "images", status=204, allImages="true")
    assert images(archive) == {}


def test_tags_are_put_on_images_and_taken_off(archive: Any, note: Note) -> None:
    note("POST", "images/tags", {"created": [{"imageId": guid(11), "tagId": guid(3)}]})
    assert images(archive)[guid(11)]["tags"] == [{"tagId": guid(3), "tagName": "blue"}]
    note("DELETE", "images/tags", imageIds=f"{guid(10)},{guid(11)}", tagIds=guid(2), status=204)
    changed = images(archive)
    assert (changed[guid(10)]["tags"], changed[guid(10)]["regions"]) == ([], [])
    assert len(changed[guid(11)]["tags"]) == 1


def test_boxes_are_drawn_and_deleted(archive: Any, note: Note) -> None:
    region = {**IMAGE["regions"][0], "regionId": guid(21), "tagId": guid(3)}  # type: ignore[index]
    note("POST", "images/regions", {"created": [{"imageId": guid(11), **region}]})
    assert images(archive)[guid(11)]["regions"] == [region]
    assert [tag["tagId"] for tag in images(archive)[guid(11)]["tags"]] == [guid(3)]
    note("DELETE", "images/regions", regionIds=f"{guid(20)},{guid(21)}", status=204)
    assert all(image["regions"] == [] for image in images(archive).values())


def test_metadata_is_changed(archive: Any, note: Note) -> None:
    entry = {"imageId": guid(10), "status": "OK", "metadata": {"place": "left"}}
    note("POST", "images/metadata", {"isBatchSuccessful": True, "images": [entry]}, sent=[])
    assert images(archive)[guid(10)]["metadata"] == {"place": "left"}


def test_tags_of_the_project_are_changed(archive: Any, note: Note) -> None:
    note("PATCH", f"tags/{guid(2)}", {**TAGS[0], "name": "rouge"})
    note("POST", "tags", {"id": guid(4), "name": "green", "type": "Regular"})
    note("DELETE", f"tags/{guid(3)}", status=204)
    assert [tag["name"] for tag in archive.document("tags")] == ["rouge", "green"]
    note("GET", "tags", [], iterationId=guid(30))
    assert archive.document(f"tags/{guid(30)}") == []
    assert len(archive.document("tags")) == 2


def test_iterations_are_published_and_deleted(archive: Any, note: Note) -> None:
    second = {**ITERATION, "id": guid(31), "created": "2020-11-07T18:00:00Z", "status": "Training"}
    note("POST", "train", second)
    assert not archive.has_document(f"count/{guid(31)}")
    note("GET", f"iterations/{guid(31)}", {**second, "status": "Completed"})
    assert archive.has_document(f"count/{guid(31)}")
    note("POST", f"iterations/{guid(30)}/publish", True, publishName="production", predictionId="/r")
    note("POST", f"iterations/{guid(31)}/publish", True, publishName="production", overwrite="true")
    names = [one["publishName"] for one in archive.state()["iterations"]]
    assert names == [None, "production"]
    note("DELETE", f"iterations/{guid(31)}/publish", status=204)
    assert archive.state()["iterations"][1]["publishName"] is None
    note("DELETE", f"iterations/{guid(31)}", status=204)
    note("GET", "iterations", [ITERATION])
    assert [one["id"] for one in archive.state()["iterations"]] == [guid(30)]


def test_evaluated_images_are_those_of_the_iteration(archive: Any, recorder: Recorder, note: Note) -> None:
    evaluated = {
        **IMAGE,
        "imageUri": "https://storage.test/i",
        "predictions": [{"tagId": guid(2), "probability": 0.5}],
    }
    for _ in range(2):
        note("GET", f"iterations/{guid(30)}/performance/images", [evaluated])
    recorder.wait()
    assert list(archive.evaluated(guid(30))) == [(guid(10), evaluated["predictions"])]
    assert archive.document(f"count/{guid(30)}") == 1
    note(
        "GET", f"iterations/{guid(30)}/performance", {"precision": 1}, threshold="0.5", overlapThreshold="0.3"
    )
    assert archive.document(f"performance/{guid(30)}/0.5/0.3") == {"precision": 1}


def test_predictions_are_kept_with_their_images(archive: Any, recorder: Recorder, note: Note) -> None:
    stored = {
        "id": guid(40), "project": PROJECT, "iteration": guid(30), "domain": guid(9), "predictions": [],
        "created": "2020-11-06T18:00:00Z", "originalImageUri": "https://storage.test/p?sig=s",
    }  # fmt: skip
    note("POST", "predictions/query", {"token": {}, "results": [stored]}, sent={})
    recorder.wait()
    assert archive.file("prediction", guid(40)).size == len(picture(1))
    assert [item["id"] for item in archive.predictions()] == [guid(40)]
    note("DELETE", "predictions", ids=guid(40), status=204)
    assert list(archive.predictions()) == []


def test_a_prediction_is_kept_with_the_image_of_its_request(archive: Any, recorder: Recorder) -> None:
    address = ROOT.replace("/Training/projects/", "/Prediction/") + "/classify/iterations/a%2Fb/image"
    answer = {
        "id": guid(41),
        "project": PROJECT,
        "iteration": guid(30),
        "created": "2020-11-06T18:00:00Z",
        "predictions": [],
    }
    for content_type, body in (
        ("application/octet-stream", picture(2)),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="imageData"\r\n\r\n'
         + picture(2) + b"\r\n--x--\r\n"),
    ):  # fmt: skip
        exchange = exchange_of_url(
            method="POST",
            url=address,
            status=200,
            request=body,
            content_type=content_type,
            response=json.dumps(answer).encode(),
        )
        assert exchange is not None
        assert exchange.image == picture(2)
        recorder.note(exchange)
    assert archive.file("prediction", guid(41)).size == len(picture(2))


@pytest.mark.parametrize(
    ("method", "path", "response", "status"),
    [
        ("GET", "images", [IMAGE], 404),
        ("GET", "images", {"unexpected": 1}, 200),
        ("GET", "images", None, 200),
        ("POST", "images/tags", {"created": [{}]}, 200),
        ("POST", "images/tags", {"created": [{"imageId": guid(99), "tagId": guid(2)}]}, 200),
        ("GET", f"iterations/{guid(30)}/performance?threshold=much", {}, 200),
        ("GET", "unknown", {}, 200),
    ],
)
def test_other_responses_change_nothing(
    archive: Any, note: Note, method: str, path: str, response: Any, status: int
) -> None:
    before = images(archive), archive.state(), list(archive.documents("performance"))
    note(method, path, response, status=status)
    assert (images(archive), archive.state(), list(archive.documents("performance"))) == before


def test_projects_of_a_list_are_known_and_a_deleted_one_is_noted(recorder: Recorder, note: Note) -> None:
    project = {
        "id": PROJECT,
        "name": "cloud",
        "settings": {"domainId": guid(9), "exportModelContainerUri": "sig"},
    }
    note("GET", "", [])
    exchange = exchange_of_url(
        method="GET",
        url=ROOT.rpartition("/")[0],
        status=200,
        request=b"",
        content_type="",
        response=json.dumps([project]).encode(),
    )
    assert exchange is not None
    recorder.note(exchange)
    (found,) = recorder.projects()
    assert (found.name, found.images, found.total) == ("cloud", 0, None)
    archive = recorder._archives[PROJECT]
    assert archive.state()["project"]["settings"] == {"domainId": guid(9)}
    note("DELETE", "", status=204)
    assert archive.is_deleted
    note("GET", "images/count", 7)
    assert recorder.projects()[0].total == 7


def test_files_that_are_gone_are_missing_until_the_next_start(
    tmp_path: Path, recorder: Recorder, note: Note
) -> None:
    note("GET", "images", [{**IMAGE, "originalImageUri": "https://storage.test/gone"}])
    recorder.wait()
    assert recorder.projects()[0].missing == 1
    recorder.close()
    again = Recorder(tmp_path, lambda uri, most: picture(1))
    try:
        assert again.projects()[0].missing == 0
    finally:
        again.close()


@pytest.mark.parametrize(
    "project",
    [
        5,
        {**DESCRIBED, "id": "../elsewhere"},
        {**DESCRIBED, "id": None},
        {**DESCRIBED, "name": None},
        {**DESCRIBED, "settings": None},
        {**DESCRIBED, "settings": [1]},
    ],
)
def test_a_project_of_another_form_is_not_recorded(recorder: Recorder, project: Any) -> None:
    exchange = exchange_of_url(
        method="GET",
        url=ROOT.rpartition("/")[0],
        status=200,
        request=b"",
        content_type="",
        response=json.dumps([project]).encode(),
    )
    assert exchange is not None
    recorder.note(exchange)
    assert recorder.projects() == []


@pytest.mark.parametrize("written", [guid(171).upper(), guid(171).replace("-", ""), f"{{{guid(171)}}}"])
def test_forms_of_the_id_of_a_project_are_one_archive(
    recorder: Recorder, tmp_path: Path, written: str
) -> None:
    given: dict[str, Any] = {"method": "GET", "status": 200, "request": b"", "content_type": ""}
    projects, _, _ = ROOT.rpartition("/")
    for url, response in (
        (projects, [{**DESCRIBED, "id": written}]),
        (f"{projects}/{guid(171)}", {**DESCRIBED, "id": guid(171)}),
        (f"{projects}/{written}/tags", TAGS),
    ):
        exchange = exchange_of_url(url=url, response=json.dumps(response).encode(), **given)
        if exchange is not None:
            recorder.note(exchange)
    (project,) = recorder.projects()
    assert (project.id, project.name) == (guid(171), "Screws")
    assert [path.name for path in tmp_path.iterdir()] == [guid(171)]
    assert recorder._archives[guid(171)].document("tags") == TAGS


@pytest.mark.parametrize("tags", [5, [5], {"a": 1}, [{"id": guid(9)}], [{"id": [1], "name": "x"}, 5]])
def test_tags_of_another_form_change_nothing(archive: Any, note: Note, tags: Any) -> None:
    note("GET", "tags", tags)
    assert archive.document("tags") == TAGS


def test_images_of_another_form_change_nothing(archive: Any, note: Note) -> None:
    nested: Any = []
    for _ in range(600):
        nested = [nested]
    for images in ([{**IMAGE, "id": ["a"]}], nested):
        note("GET", "images", images)
        assert archive.listed_count(WORKSPACE) == 2


def test_a_url_that_is_none_is_no_call() -> None:
    url = "https://[bad/customvision/v3.3/training/projects"
    given: dict[str, Any] = {"method": "GET", "status": 200, "content_type": ""}
    assert exchange_of_url(url=url, request=b"", response=b"[]", **given) is None
