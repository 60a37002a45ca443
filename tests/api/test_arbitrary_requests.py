"""Arbitrary requests get a response of the contract or one of the two shapes of errors, never a 5xx.

Rejected requests change nothing.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.contract.operations import OPERATIONS, Operation
from emulator.contract.versions import VERSIONS
from tests.support.harness import (
    PREDICTION_KEY,
    TRAINING_KEY,
    Service,
    test_settings,
    validate_response,
)
from tests.support.images import picture
from tests.support.long_run import IS_LONG

TABLES = ("project", "tag", "image", "image_tag", "region", "iteration", "job", "stored_prediction")


class World:
    """A service with objects of every kind, and their ids, which are the same in every run."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self.make()

    def make(self) -> None:
        self.service = Service(test_settings(self._folders.mktemp("arbitrary"), url_fetch="off"))
        project, red, _ = self.service.trainable()
        iteration = self.service.train(project)
        self.service.publish(iteration, "published")
        self.ids = {
            "projectId": project.rpartition("/")[2],
            "tagId": red,
            "imageId": self.service.get(f"{project}/images")[0]["id"],
            "iterationId": iteration.rpartition("/")[2],
            "publishedName": "published",
            "domainId": self.service.get("/domains")[0]["id"],
        }

    def make_anew(self) -> None:
        """Undo what a request has done."""
        self.service.end()
        self.make()

    def send(
        self, method: str, path: str, more: dict[str, Any], key: str | None = TRAINING_KEY
    ) -> httpx.Response:
        return self.service._loop.run(self.service._send(method, path, key, more))

    def state(self) -> list[Any]:
        rows = [self.service.rows(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES]
        return [*rows, self.service.blobs()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory)
    yield made
    made.service.end()


texts = st.text(max_size=20) | st.sampled_from(
    ["\0", "x" * 10_000, "../..", "%", "null", "-1", "1e400", "true", "🙂"]
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
NAMES = [
    "name",
    "description",
    "type",
    "images",
    "tagIds",
    "regions",
    "metadata",
    "contents",
    "url",
    "tags",
    "imageId",
    "tagId",
    "selectedTags",
    "customBaseModelInfo",
    "projectId",
    "iterationId",
    "settings",
    "domainId",
    "classificationType",
    "targetExportPlatforms",
    "imageProcessingSettings",
    "augmentationMethods",
    "exportModelContainerUri",
]
PARAMETERS = [
    "name",
    "description",
    "domainId",
    "classificationType",
    "targetExportPlatforms",
    "iterationId",
    "tagIds",
    "imageIds",
    "orderBy",
    "take",
    "skip",
    "taggingStatus",
    "$filter",
    "allImages",
    "allIterations",
    "trainingType",
    "reservedBudgetInHours",
    "forceTrain",
    "threshold",
    "notificationEmailAddress",
    "overlapThreshold",
    "publishName",
    "predictionId",
    "overwrite",
    "store",
    "application",
    "type",
]
MEDIA_TYPES = [
    "application/json",
    "application/octet-stream",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "image/jpeg",
    "text/plain",
    "",
    'multipart/form-data; boundary=""',
]


def bodies(ids: dict[str, str]) -> st.SearchStrategy[bytes]:
    """Bodies: JSON with known names and any values, and bytes that resemble forms or images."""
    known = st.sampled_from(sorted(ids.values()))
    values = json_values | known | st.lists(known, max_size=3)
    entries = st.dictionaries(st.sampled_from(NAMES), values, max_size=5)
    nested = st.dictionaries(
        st.sampled_from(NAMES), values | entries | st.lists(entries, max_size=3), max_size=5
    )
    part = st.tuples(st.binary(max_size=40), st.binary(max_size=60) | st.just(picture())).map(
        lambda both: b"--b\r\n" + both[0] + b"\r\n\r\n" + both[1] + b"\r\n"
    )
    forms = st.lists(part, max_size=3).map(lambda parts: b"".join(parts) + b"--b--\r\n")
    return (
        nested.map(orjson.dumps)
        | json_values.map(orjson.dumps)
        | st.binary(max_size=200)
        | forms
        | st.just(b"")
    )


@st.composite
def arbitrary_requests(draw: st.DrawFn, ids: dict[str, str]) -> tuple[str, str, dict[str, Any]]:
    operation: Operation = draw(st.sampled_from(OPERATIONS))
    version = draw(st.sampled_from(VERSIONS[operation.api]))
    path = operation.path
    for name, value in ids.items():
        chosen = draw(st.just(value) | st.just(value) | st.just(value) | texts.filter(bool))
        path = path.replace(f"{{{name}}}", quote(chosen, safe="")).replace(
            f"{{{name}:path}}", quote(chosen, safe="")
        )
    known = st.sampled_from(sorted(ids.values()))
    parameters = draw(st.lists(st.tuples(st.sampled_from(PARAMETERS), texts | known), max_size=4))
    headers = {"Content-Type": draw(st.sampled_from(MEDIA_TYPES)), "Prediction-Key": PREDICTION_KEY}
    more = {"params": parameters, "content": draw(bodies(ids)), "headers": headers}
    return operation.method, f"/customvision/v{version}/{operation.api}{path}", more


@settings(max_examples=400 if IS_LONG else 200)
@given(data=st.data())
def test_any_request_gets_a_response_of_the_contract(world: World, data: st.DataObject) -> None:
    method, path, more = data.draw(arbitrary_requests(world.ids))
    before = world.state()
    response = world.send(method, path, more)
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        body = response.json()
        assert list(body) in (["code", "message"], ["error"]), body
    if response.status_code >= 400 or method == "GET":
        assert world.state() == before
    else:
        world.service.finish_trainings()
        assert world.service.blobs() == world.service.referenced_blobs()
        world.make_anew()
    validate_response(response)


@settings(max_examples=150)
@given(
    path=st.text(alphabet=st.sampled_from("/%customvisionv3.training0 \\?#é.")),
    method=st.sampled_from(["GET", "POST", "PATCH"]),
)
def test_any_path_gets_a_response(world: World, path: str, method: str) -> None:
    response = world.service.send_unvalidated(method, "/" + quote(path, safe="/%?"))
    assert response.status_code < 500, response.text


@settings(max_examples=100)
@given(
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
    name=st.sampled_from(["Training-Key", "Host", "Content-Type"]),
)
def test_any_header_gets_a_response(world: World, name: str, value: str) -> None:
    more = {"headers": {name: value}, "content": b"x"}
    path = f"/customvision/v3.3/training/projects/{world.ids['projectId']}/images"
    response = world.send("POST", path, more, None if name == "Training-Key" else TRAINING_KEY)
    assert 400 <= response.status_code < 500, response.text
