"""The mode shadow, with another emulator as the upstream: its responses, and differences that are found."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from emulator.settings import StartRefused
from emulator.store.database import FILE_NAME
from emulator.testing import EmulatorServer
from emulator.testing.projects import SampleProject
from tests.support.images import picture
from tests.support.program import run
from tests.support.pulled import copied
from tests.support.sdk_reads import reads

UPSTREAM_KEYS = {"training_key": "a" * 32, "prediction_key": "b" * 32}


class Pair(NamedTuple):
    """An upstream, and the emulator in front of it with a copy of its project."""

    source: EmulatorServer
    front: EmulatorServer
    project: SampleProject

    def send(self, method: str, path: str, *, mine: bool = False, **more: Any) -> httpx.Response:
        """A request to the emulator in front, with a key of the upstream, or with its own one.

        path: below ``training`` of the project, or absolute.
        """
        server = self.front if mine else self.source
        if not path.startswith("/"):
            path = f"/customvision/v3.3/training/projects/{self.project.id}/{path}"
        headers = {"Training-Key": server.training_key, "Prediction-Key": server.prediction_key}
        return httpx.request(
            method,
            self.front.endpoint + path,
            headers=headers | more.pop("headers", {}),
            trust_env=False,
            **more,
        )

    def state(self) -> Any:
        return self.send("GET", "/_emulator/upstream", mine=True).json()

    def differences(self) -> Any:
        return self.send("GET", "/_emulator/upstream/differences", mine=True).json()

    def mode(self, mode: str) -> None:
        response = self.send("PUT", "/_emulator/upstream", mine=True, json={"mode": mode})
        assert response.json()["mode"] == mode

    def predict(self, **more: Any) -> httpx.Response:
        path = f"/customvision/v3.1/prediction/{self.project.id}/classify/iterations/production/image"
        return self.send("POST", path, content=picture(3), **more)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with EmulatorServer(**UPSTREAM_KEYS) as source:
        project = source.create_project({"red": 12, "blue": 12}, published="production")
        settings = {"upstream": source.endpoint, "upstream_mode": "shadow"}
        with copied(source, project.id, tmp_path, **settings) as front:
            yield Pair(source, front, project)


def test_equal_servers_have_no_differences(pair: Pair) -> None:
    """Every call of the SDK that reads."""
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
    from msrest.authentication import ApiKeyCredentials

    credentials = ApiKeyCredentials(in_headers={"Training-key": pair.source.training_key})
    with CustomVisionTrainingClient(pair.front.endpoint, credentials) as client:
        count = 0
        for name, read in reads(client, pair.project.id):
            if not name.startswith("exports"):
                read()
                count += 1
    assert pair.predict().status_code == 200
    found = pair.differences()
    # Predictions differ, since the copy has no model: none was exported.
    assert [field["operation"] for field in found["fields"]] == ["ClassifyImage"]
    assert found["comparedCount"] > count
    state = pair.state()
    assert (state["failedCount"], state["refusedCount"], state["differentCount"]) == (0, 0, 1)


def test_responses_are_those_of_the_upstream(pair: Pair) -> None:
    direct = httpx.get(
        f"{pair.source.endpoint}/customvision/v3.3/training/projects/{pair.project.id}/iterations",
        headers={"Training-Key": pair.source.training_key},
        trust_env=False,
    )
    through = pair.send("GET", "iterations")
    assert through.content == direct.content
    assert sorted(name for name, _ in through.headers.multi_items()) == sorted(direct.headers)
    assert through.headers["apim-request-id"] == through.headers["request-id"]
    assert pair.source.control.requests.list()[0]["requestId"] == through.headers["apim-request-id"]
    # A wrong key is refused by the upstream, not by the emulator in front.
    refused = pair.send("GET", "iterations", headers={"Training-Key": "wrong"})
    assert refused.status_code == 401
    assert pair.state()["forwardedCount"] == 2


# A change of the copy, and the operation and field that show it.
PLANTED = {
    "UPDATE project SET name = 'other'": "GetProject .name",
    "UPDATE project SET description = 'other'": "GetProject .description",
    "UPDATE project SET classification_type = 'Multilabel'": "GetProject .settings.classificationType",
    "UPDATE project SET created = created + 1000000": "GetProject .created",
    "UPDATE project SET target_export_platforms = '[1]'": "GetProject .settings.targetExportPlatforms.length",
    "UPDATE project SET use_negative_set = 0": "GetProject .settings.useNegativeSet",
    "UPDATE tag SET name = 'rouge' WHERE name = 'red'": "GetTags [].name",
    "UPDATE tag SET description = 'sea' WHERE name = 'blue'": "GetTags [].description",
    "UPDATE tag SET type = 'Negative' WHERE name = 'blue'": "GetTags [].type",
    "UPDATE image SET width = width + 1 WHERE number = 1": "GetImages [].width",
    "UPDATE image SET height = height + 1 WHERE number = 1": "GetImages [].height",
    "UPDATE image SET created = created + 1 WHERE number = 2": "GetImages [].created",
    'UPDATE image SET metadata = \'{"place": "left"}\' WHERE number = 3': "GetImages [].metadata",
    "UPDATE image SET removed = 99 WHERE number = 4": "GetImages []",
    "UPDATE project SET image_count = image_count + 1": "GetImageCount .",
    "UPDATE image_tag SET created = created + 1 WHERE image_number = 5": "GetImages [].tags[].created",
    "UPDATE image_tag SET removed = 99 WHERE image_number = 6": "GetImages [].tags",
    "UPDATE iteration SET name = 'other'": "GetIterations [].name",
    "UPDATE iteration SET publish_name = 'other'": "GetIterations [].publishName",
    "UPDATE iteration SET trained_at = trained_at + 1000000": "GetIterations [].trainedAt",
    "UPDATE iteration SET training_time_in_minutes = 77": "GetIterations [].trainingTimeInMinutes",
}


def test_each_planted_difference_is_found_in_its_field(tmp_path: Path) -> None:
    with EmulatorServer(**UPSTREAM_KEYS) as source:
        project = source.create_project({"red": 6, "blue": 6}, published="production")
        front = copied(source, project.id, tmp_path, upstream=source.endpoint, upstream_mode="shadow")
        with sqlite3.connect(tmp_path / "data" / FILE_NAME) as database:
            for statement in PLANTED:
                assert database.execute(statement).rowcount > 0, statement
        database.close()
        with front:
            pair = Pair(source, front, project)
            for path in ("", "tags", "images?take=256", "images/count", "iterations"):
                assert pair.send("GET", path).status_code == 200
            found = pair.differences()
    fields = {f"{field['operation']} {field['field']}": field for field in found["fields"]}
    assert {*PLANTED.values()} <= {*fields}
    assert fields["GetProject .name"] | {"number": 1} == {
        "operation": "GetProject", "field": ".name", "count": 1, "number": 1,
        "upstream": '"sample"', "local": '"other"',
    }  # fmt: skip
    assert fields["GetImages []"]["local"] is None


def test_writes_are_refused_unless_they_are_allowed(pair: Pair, tmp_path: Path) -> None:
    for method, path in (("POST", "tags?name=green"), ("DELETE", ""), ("PATCH", "tags/1"), ("POST", "train")):
        refused = pair.send(method, path)
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "403"
        assert "--allow-upstream-writes" in refused.json()["error"]["message"]
    assert pair.state()["refusedCount"] == 4
    # Those of the sample project.
    assert len(pair.source.control.requests.list(operation="CreateTag")) == 2
    settings = {"upstream": pair.source.endpoint, "upstream_mode": "shadow", "allow_upstream_writes": True}
    with EmulatorServer(**settings) as permitted:
        through = pair._replace(front=permitted)
        assert through.send("POST", "tags?name=green").status_code == 200
        assert [tag["name"] for tag in through.send("GET", "tags").json()].count("green") == 1
        assert through.state()["allowsWrites"] is True


def test_the_mode_is_chosen_by_one_call(pair: Pair) -> None:
    pair.mode("local")
    assert pair.send("GET", "tags").status_code == 401  # the key of the upstream
    assert pair.send("GET", "tags", mine=True).status_code == 200
    assert pair.state()["forwardedCount"] == 0
    pair.mode("shadow")
    assert pair.send("GET", "tags").status_code == 200
    assert pair.state()["forwardedCount"] == 1
    assert pair.send("DELETE", "/_emulator/upstream/differences", mine=True).status_code == 204
    assert pair.state()["forwardedCount"] == 0
    for body in ({"mode": "other"}, {}):
        assert pair.send("PUT", "/_emulator/upstream", mine=True, json=body).status_code == 400


def test_predictions_are_stored_by_the_upstream_alone(pair: Pair) -> None:
    pair.predict()
    pair.differences()
    query = {"orderBy": "Newest"}
    assert len(pair.send("POST", "predictions/query", json=query).json()["results"]) == 1
    assert pair.differences()["fields"][0]["field"] == "status"
    pair.mode("local")
    assert pair.send("POST", "predictions/query", mine=True, json=query).json()["results"] == []


def test_no_key_is_kept_or_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    data = tmp_path / "data"
    with EmulatorServer(**UPSTREAM_KEYS) as source:
        project = source.create_project({"red": 6, "blue": 6})
        front = EmulatorServer(data=data, upstream=source.endpoint, upstream_mode="shadow", access_log=True)
        with front:
            pair = Pair(source, front, project)
            pair.send("GET", f"tags?key={source.training_key}")
            wrong = {"Training-Key": "c" * 32}
            assert pair.send("GET", "tags", headers=wrong).status_code == 401
            shown = [
                pair.send("GET", path, mine=True).text
                for path in ("/_emulator/upstream/differences", "/_emulator/upstream", "/_emulator/requests")
            ]
    assert json.loads(shown[0])["differentCount"] == 1
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("emulator")]
    written = [path.read_bytes() for path in data.rglob("*") if path.is_file()]
    for key in (source.training_key, "c" * 32):
        assert all(key not in text for text in [*shown, *logged])
        assert all(key.encode() not in content for content in written)


def test_the_portal_and_requests_without_a_key_are_answered_here(pair: Pair) -> None:
    response = httpx.get(f"{pair.front.endpoint}/customvision/v3.3/training/projects", trust_env=False)
    assert response.status_code == 401
    assert pair.state()["forwardedCount"] == 0


def test_commands_are_answered_here(pair: Pair) -> None:
    """In the mode shadow, `export-data` finds the project by its name, with the key of the emulator."""
    name = pair.send("GET", f"/customvision/v3.3/training/projects/{pair.project.id}").json()["name"]
    before = pair.state()["forwardedCount"]
    key = ("--training-key", pair.front.training_key)
    port = str(urlsplit(pair.front.endpoint).port)
    ran = run("export-data", name, "unused.zip", "--format", "folders", "--dry-run", "--port", port, *key)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    assert pair.state()["forwardedCount"] == before


def test_without_an_upstream_the_control_api_says_so(tmp_path: Path) -> None:
    with EmulatorServer() as plain:
        response = httpx.get(
            f"{plain.endpoint}/_emulator/upstream",
            headers={"Training-Key": plain.training_key},
            trust_env=False,
        )
    assert response.status_code == 400
    assert "--upstream URL" in response.json()["message"]
    with pytest.raises(StartRefused, match="they need --upstream URL"):
        EmulatorServer(upstream_mode="shadow").start()
