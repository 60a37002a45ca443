"""Responses on the wire: headers, statuses, properties by version, dates and numbers."""

import re
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.support.harness import (
    NOWHERE,
    RESOURCE_ID,
    Service,
    expect,
    files_body,
    refusal,
    training_path,
)
from tests.support.images import picture, pictures

TRAINING_VERSIONS = ("v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview")
PROJECT_3_2 = [
    "id",
    "name",
    "description",
    "settings",
    "created",
    "lastModified",
    "thumbnailUri",
    "drModeEnabled",
    "status",
]
SETTINGS_3_1 = [
    "domainId",
    "classificationType",
    "targetExportPlatforms",
    "useNegativeSet",
    "detectionParameters",
    "imageProcessingSettings",
]
SETTINGS_3_0 = [
    "domainId",
    "classificationType",
    "useNegativeSet",
    "detectionParameters",
    "targetExportPlatforms",
]
ITERATION_3_4 = [
    "id",
    "name",
    "status",
    "created",
    "lastModified",
    "trainedAt",
    "projectId",
    "exportable",
    "exportableTo",
    "domainId",
    "classificationType",
    "trainingType",
    "reservedBudgetInHours",
    "trainingTimeInMinutes",
    "publishName",
    "originalPublishResourceId",
    "customBaseModelInfo",
    "trainingErrorDetails",
]


# --- headers ------------------------------------------------------------------------------------------------

ALWAYS = {
    "x-content-type-options": "nosniff",
    "vary": "Origin",
}


def check_headers(response: httpx.Response) -> None:
    assert {name: response.headers[name] for name in ALWAYS} == ALWAYS
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", response.headers["apim-request-id"])
    assert response.headers["content-length"] == str(len(response.content))
    assert "strict-transport-security" not in response.headers
    assert "server" not in response.headers
    assert "transfer-encoding" not in response.headers


def test_every_response_has_the_headers_of_the_service(service: Service) -> None:
    project = service.project()
    for response in (
        service.send("GET", "/projects"),
        service.send("DELETE", project),
        service.send("GET", project),
        service.send("GET", project, key=None),
        service.send("GET", "/nothing"),
        service.send_unvalidated("GET", "/"),
        service.request("GET", "/_emulator/health/live"),
    ):
        check_headers(response)


@pytest.mark.parametrize("version", TRAINING_VERSIONS)
def test_request_id_came_with_training_3_2(service: Service, version: str) -> None:
    for path in ("/projects", f"/projects/{NOWHERE}", "/nothing"):
        headers = service.send("GET", path, version=version).headers
        expected = headers["apim-request-id"] if version >= "v3.2" else None
        assert headers.get("request-id") == expected


@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
def test_request_id_came_with_prediction_3_1(service: Service, version: str) -> None:
    headers = service.predict(
        f"/customvision/{version}/prediction/{NOWHERE}/classify/iterations/x", b""
    ).headers
    expected = headers["apim-request-id"] if version == "v3.1" else None
    assert headers.get("request-id") == expected


def test_json_says_its_charset_and_no_content_says_nothing(service: Service) -> None:
    project = service.project()
    assert service.send("GET", project).headers["content-type"] == "application/json; charset=utf-8"
    gone = service.send("DELETE", project)
    assert (gone.status_code, gone.content, gone.headers["content-length"]) == (204, b"", "0")
    assert "content-type" not in gone.headers


# --- shapes by version --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", TRAINING_VERSIONS)
def test_properties_of_a_project(service: Service, version: str) -> None:
    made = expect(service.send("POST", "/projects", version, params={"name": "a"}))
    assert list(made) == (PROJECT_3_2 if version >= "v3.2" else PROJECT_3_2[:-1])
    assert list(made["settings"]) == (SETTINGS_3_1 if version >= "v3.1" else SETTINGS_3_0)
    assert (made["description"], made["thumbnailUri"], made["drModeEnabled"]) == ("", None, False)
    assert made["settings"]["detectionParameters"] is None
    assert made["settings"]["useNegativeSet"] is True
    if version >= "v3.1":
        assert list(made["settings"]["imageProcessingSettings"]["augmentationMethods"]) == [
            "rotation",
            "scaling",
            "translation",
            "horizontal flip",
            "equalize",
            "solarize",
            "padtosquare",
        ]


def test_properties_of_a_tag(service: Service) -> None:
    project = service.project()
    made = service.post(f"{project}/tags", params={"name": "a", "description": ""})
    assert list(made) == ["id", "name", "description", "type", "imageCount"]
    assert (made["description"], made["type"], made["imageCount"]) == (None, "Regular", 0)


def test_properties_of_an_image(service: Service) -> None:
    project = service.project()
    tag = service.tag(project, "a")
    uploaded = service.upload(project, [picture()], tag)[0]
    assert list(uploaded) == ["sourceUrl", "status", "image"]
    image = uploaded["image"]
    names = [
        "id",
        "created",
        "width",
        "height",
        "resizedImageUri",
        "thumbnailUri",
        "originalImageUri",
        "tags",
    ]
    assert list(image) == names
    assert image["resizedImageUri"] == image["originalImageUri"]
    assert (
        image["thumbnailUri"].replace("/t-", "/i-").partition("?")[0]
        == image["originalImageUri"].partition("?")[0]
    )
    assert list(image["tags"][0]) == ["tagId", "tagName", "created"]
    assert image["tags"][0]["tagName"] is None
    listed = service.get(f"{project}/images/tagged")[0]
    assert listed["tags"][0]["tagName"] == "a"
    untagged = service.upload(project, [picture(1)])[0]["image"]
    assert list(untagged) == names[:-1]


def test_metadata_came_with_3_3_and_are_left_out_when_empty(service: Service) -> None:
    project = service.project()
    body = files_body([picture()]) | {"metadata": {"key": "value"}}
    with_metadata = expect(service.send("POST", f"{project}/images/files", "v3.3", json=body))
    image = with_metadata["images"][0]["image"]
    assert image["metadata"] == {"key": "value"}
    assert list(image)[-1] == "metadata"
    old = service.get(f"{project}/images/untagged", version="v3.2")[0]
    assert "metadata" not in old
    ignored = files_body([picture(1)]) | {"metadata": {"key": "value"}}
    made = expect(service.send("POST", f"{project}/images/files", "v3.2", json=ignored))
    again = service.get(f"{project}/images/id", params={"imageIds": made["images"][0]["image"]["id"]})[0]
    assert "metadata" not in again


@pytest.mark.parametrize("version", TRAINING_VERSIONS)
@pytest.mark.parametrize("compact", [False, True])
def test_properties_of_an_iteration(service: Service, version: str, compact: bool) -> None:
    domain = "0732100f-1a38-4e49-a514-c9b44c697ab5" if compact else "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
    project, _, _ = service.trainable(domainId=domain)
    expected = [
        name
        for name in ITERATION_3_4
        if version
        >= {
            "trainingTimeInMinutes": "v3.1",
            "customBaseModelInfo": "v3.4",
            "trainingErrorDetails": "v3.4",
        }.get(name, "")
    ]
    started = expect(service.send("POST", f"{project}/train", version))
    assert list(started) == [name for name in expected if name != "trainedAt"]
    assert (started["domainId"], started["classificationType"], started["exportableTo"]) == (None, None, None)
    assert (started["status"], started["name"], started["trainingType"]) == (
        "Training",
        "Iteration 1",
        "Regular",
    )
    assert started.get("trainingTimeInMinutes", 0) == 0
    service.finish_trainings()
    done = service.get(f"{project}/iterations/{started['id']}", version=version)
    assert list(done) == expected
    assert (done["domainId"], done["classificationType"], done["exportable"]) == (
        domain,
        "Multiclass",
        compact,
    )
    openvino = ["OpenVino"] if version >= "v3.3" else []
    platforms = ["CoreML", "DockerFile", "ONNX", *openvino, "TensorFlow"] if compact else []
    assert done["exportableTo"] == (None if version == "v3.4-preview" else platforms)
    assert done["trainedAt"] == done["lastModified"]
    assert done.get("trainingTimeInMinutes", 1) == 1


@pytest.mark.parametrize(("version", "digits", "has_type"), [("v3.0", 7, False), ("v3.1", 3, True)])
def test_properties_of_a_prediction(service: Service, version: str, digits: int, has_type: bool) -> None:
    project, red, blue = service.trainable()
    address = service.publish(service.train(project)).replace("v3.1", version)
    response = service.predict(address, picture(99))
    body = expect(response)
    assert list(body) == ["id", "project", "iteration", "created", "predictions"]
    assert body["id"] == response.headers["apim-request-id"]
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{{digits}}}Z", body["created"])
    assert [item["tagId"] for item in body["predictions"]] == [red, blue]
    assert all(
        list(item) == ["probability", "tagId", "tagName"] + ["tagType"] * has_type
        for item in body["predictions"]
    )


@pytest.mark.parametrize("version", TRAINING_VERSIONS)
def test_properties_of_a_quick_test(service: Service, version: str) -> None:
    project, _, _ = service.trainable()
    iteration_id = service.train(project).rpartition("/")[2]
    response = service.send(
        "POST",
        f"{project}/quicktest/image",
        version,
        params={"iterationId": iteration_id},
        content=picture(99),
        headers={"Content-Type": "application/octet-stream"},
    )
    body = expect(response)
    assert body["id"] == response.headers["apim-request-id"]
    assert (body["iteration"], f"/projects/{body['project']}") == (iteration_id, project)
    assert ("tagType" in body["predictions"][0]) == (version >= "v3.3")


def test_numbers_of_a_prediction_are_single_precision(service: Service) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    body = service.predict(address, picture(99)).text
    written = re.findall(r'"probability":([^,}]+)', body)
    assert len(written) == 2
    for text in written:
        # At most nine significant digits.
        assert re.fullmatch(r"0\.0*\d{1,9}|1\.0|\d\.\d{1,8}E-\d\d", text)
    assert sum(map(float, written)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("version", TRAINING_VERSIONS)
def test_domains_by_version(service: Service, version: str) -> None:
    response = service.send("GET", "/domains", version)
    listed = expect(response)
    assert len(listed) == (14 if version >= "v3.3" else 12)
    assert [item["name"] for item in listed[:3]] == ["General", "Food", "Landmarks"]
    assert list(listed[0])[:5] == ["id", "name", "type", "exportable", "enabled"]
    assert ("modelInformation" in listed[0]) == (version == "v3.4-preview")
    one = service.get(f"/domains/{listed[5]['id']}", version=version)
    assert one == listed[5]
    if version == "v3.4-preview":
        assert len(response.content) == 3418  # as recorded, byte for byte


def test_an_unknown_domain(service: Service) -> None:
    assert service.refused("GET", f"/domains/{NOWHERE}")[:2] == (404, "NotFoundDomain")


# --- statuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", TRAINING_VERSIONS)
def test_a_batch_that_failed_in_part_is_207_from_3_3_on(service: Service, version: str) -> None:
    project = service.project()
    first = service.send("POST", f"{project}/images/files", version, json=files_body([picture()]))
    assert (first.status_code, first.json()["isBatchSuccessful"]) == (200, True)
    again = service.send("POST", f"{project}/images/files", version, json=files_body([picture(), picture(1)]))
    assert again.status_code == (207 if version >= "v3.3" else 200)
    assert again.json()["isBatchSuccessful"] is False
    assert [item["status"] for item in again.json()["images"]] == ["OKDuplicate", "OK"]


@pytest.mark.parametrize("version", TRAINING_VERSIONS)
def test_statuses_that_came_with_3_4_have_another_name_before(service: Service, version: str) -> None:
    project = service.project()
    images = [picture(), picture(size=(260, 10))]
    body = files_body(images)
    body["images"][0]["tagIds"] = [NOWHERE]
    items = service.send("POST", f"{project}/images/files", version, json=body).json()["images"]
    newest = version == "v3.4-preview"
    assert [item["status"] for item in items] == [
        "ErrorInvalidTag" if newest else "ErrorUnknown",
        "ErrorImageDimensions" if newest else "ErrorImageSize",
    ]


@pytest.mark.parametrize("version", TRAINING_VERSIONS)
def test_codes_that_a_version_lacks_are_not_sent(service: Service, version: str) -> None:
    project, _, _ = service.trainable()
    iteration_id = service.train(project).rpartition("/")[2]
    response = service.send(
        "POST",
        f"{project}/quicktest/image",
        version,
        params={"iterationId": iteration_id},
        content=picture(size=(260, 10)),
        headers={"Content-Type": "application/octet-stream"},
    )
    code = {"v3.4-preview": "BadRequestImageAspectRatio", "v3.3": "BadRequestImageDimensions"}
    assert refusal(response)[:2] == (400, code.get(version, "BadRequestImageFormat"))


def test_deleting_in_bulk_is_202_and_not_known_to_3_0(service: Service) -> None:
    project = service.project()
    ids = service.images(project, pictures(4))
    assert service.send("DELETE", f"{project}/images", params={"imageIds": ids[0]}).status_code == 204
    both = {"imageIds": ids[1], "allIterations": "true"}
    assert service.send("DELETE", f"{project}/images", "v3.1", params=both).status_code == 202
    everything = {"allImages": "true"}
    assert refusal(service.send("DELETE", f"{project}/images", "v3.0", params=everything))[0] == 400
    assert service.get(f"{project}/images/count") == 2
    assert service.send("DELETE", f"{project}/images", params=everything).status_code == 202
    assert service.get(f"{project}/images/count") == 0


# --- dates --------------------------------------------------------------------------------------------------


def parsed(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_dates_of_new_objects_are_now(service: Service) -> None:
    now = service.clock.time
    project = service.post("/projects", params={"name": "a"})
    assert project["created"] == project["lastModified"] == "2026-03-04T05:06:07.123Z"
    assert abs(parsed(project["created"]) - now).total_seconds() < 0.01
    path = f"/projects/{project['id']}"
    image = service.upload(path, [picture()])[0]["image"]
    assert parsed(image["created"]).tzinfo is None
    assert image["created"].startswith("2026-03-04T05:06:07.1234")


def test_scalars_are_bare_json(service: Service) -> None:
    project, _, _ = service.trainable()
    assert service.send("GET", f"{project}/images/count").content == b"10"
    iteration = service.train(project)
    parameters = {"publishName": "a", "predictionId": RESOURCE_ID}
    assert service.send("POST", f"{iteration}/publish", params=parameters).content == b"true"


def test_json_is_compact_and_not_escaped(service: Service) -> None:
    made: Any = service.request("POST", training_path("/projects"), params={"name": 'Bäume "&" <x> 木'})
    assert 'Bäume \\"&\\" <x> 木'.encode() in made.content
    assert b", " not in made.content
    assert b'": ' not in made.content
