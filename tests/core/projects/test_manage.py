"""Projects: creating, listing, changing, deleting."""

from collections.abc import Callable

import pytest

from tests.support.harness import NOWHERE, Service
from tests.support.images import picture

GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"


def test_defaults(service: Service) -> None:
    made = service.post("/projects", params={"name": "a"})
    settings = made["settings"]
    assert (settings["domainId"], settings["classificationType"]) == (GENERAL, "Multilabel")
    assert settings["targetExportPlatforms"] == []
    assert (made["description"], made["status"]) == ("", "Succeeded")
    assert service.get(f"/projects/{made['id']}") == made


def test_everything_given(service: Service) -> None:
    parameters = {
        "name": "  a  ",
        "description": "what it is",
        "domainId": COMPACT.upper(),
        "classificationType": "Multiclass",
        "targetExportPlatforms": "CoreML,ONNX",
    }
    made = service.post("/projects", params=parameters)
    assert (made["name"], made["description"]) == ("a", "what it is")
    assert made["settings"]["domainId"] == COMPACT
    assert made["settings"]["classificationType"] == "Multiclass"
    assert made["settings"]["targetExportPlatforms"] == ["CoreML", "ONNX"]


@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.swapcase])
def test_enumerations_match_in_any_case_and_are_returned_as_in_the_contract(
    service: Service, spelled: Callable[[str], str]
) -> None:
    parameters = {
        "classificationType": spelled("Multiclass"),
        "targetExportPlatforms": spelled("CoreML,OpenVino"),
    }
    made = service.post("/projects", params={"name": "a", **parameters})
    assert made["settings"]["classificationType"] == "Multiclass"
    assert made["settings"]["targetExportPlatforms"] == ["CoreML", "OpenVino"]
    settings = {"classificationType": spelled("Multilabel"), "targetExportPlatforms": [spelled("VAIDK")]}
    changed = service.send("PATCH", f"/projects/{made['id']}", json={"settings": settings}).json()
    assert changed["settings"]["classificationType"] == "Multilabel"
    assert changed["settings"]["targetExportPlatforms"] == ["VAIDK"]


def test_names_need_not_be_unique_and_the_list_is_newest_first(service: Service) -> None:
    made = [service.project("same") for _ in range(3)]
    assert [f"/projects/{item['id']}" for item in service.get("/projects")] == made[::-1]


def test_detection_projects_carry_a_classification_type_too(service: Service) -> None:
    made = service.post("/projects", params={"name": "a", "domainId": DETECTION})
    assert (made["settings"]["classificationType"], made["settings"]["useNegativeSet"]) == (
        "Multilabel",
        True,
    )


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "BadRequestRequiredParamIsNull"),
        ({"name": ""}, "BadRequestRequiredParamIsNull"),
        ({"name": "   "}, "BadRequestProjectName"),
        ({"name": "x" * 10_000}, "BadRequestProjectName"),
        ({"name": "a\0b"}, "BadRequestProjectName"),
        ({"name": "a", "description": "x" * 10_000}, "BadRequestProjectDescription"),
        ({"name": "a", "description": "\0"}, "BadRequestProjectDescription"),
        ({"name": "a", "domainId": NOWHERE}, "BadRequestProjectUnknownDomain"),
        ({"name": "a", "domainId": "general"}, "BadRequestInvalidIds"),
        ({"name": "a", "classificationType": "Multi"}, "BadRequestProjectUnknownClassification"),
        (
            {"name": "a", "targetExportPlatforms": "CoreML,Toaster"},
            "BadRequestProjectUnsupportedExportPlatform",
        ),
        ({"name": "a", "notificationQueueUri": "https://x"}, "BadRequestInvalidUri"),
    ],
)
def test_invalid_values_of_a_project(service: Service, parameters: dict[str, str], code: str) -> None:
    assert service.refused("POST", "/projects", params=parameters)[:2] == (400, code)
    assert service.get("/projects") == []


def test_the_longest_name_is_accepted(service: Service) -> None:
    name = "ü" * 256
    assert service.post("/projects", params={"name": name})["name"] == name


def test_only_given_values_are_changed(service: Service) -> None:
    path = service.project(description="before", domainId=GENERAL)
    before = service.get(path)
    service.clock.advance(minutes=1)
    body = {"name": "after", "settings": {"classificationType": "Multiclass"}}
    after = service.send("PATCH", path, json=body).json()
    assert (after["name"], after["description"]) == ("after", "before")
    assert after["settings"] == before["settings"] | {"classificationType": "Multiclass"}
    assert after["created"] == before["created"]
    assert after["lastModified"] > before["lastModified"]
    assert service.get(path) == after


def test_a_whole_project_can_be_sent_back(service: Service) -> None:
    path = service.project()
    project = service.get(path) | {"description": "new", "nobody": "knows"}
    assert service.send("PATCH", path, json=project).json()["description"] == "new"


def test_an_empty_description_clears_it(service: Service) -> None:
    path = service.project(description="something")
    assert service.send("PATCH", path, json={"description": ""}).json()["description"] == ""


def test_augmentation_methods_are_switched_one_by_one(service: Service) -> None:
    path = service.project()
    body = {"settings": {"imageProcessingSettings": {"augmentationMethods": {"solarize": False}}}}
    methods = service.send("PATCH", path, json=body).json()["settings"]["imageProcessingSettings"][
        "augmentationMethods"
    ]
    assert methods["solarize"] is False
    assert sum(methods.values()) == 6


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": ""}, "BadRequestProjectName"),
        ({"name": "x" * 257}, "BadRequestProjectName"),
        ({"settings": {"domainId": DETECTION}}, "BadRequestProjectUnsupportedDomainTypeChange"),
        ({"settings": {"domainId": NOWHERE}}, "BadRequestProjectUnknownDomain"),
        ({"settings": {"domainId": "x"}}, "BadRequestInvalidIds"),
        ({"settings": {"classificationType": "x"}}, "BadRequestProjectUnknownClassification"),
        ({"settings": {"targetExportPlatforms": ["x"]}}, "BadRequestProjectUnsupportedExportPlatform"),
        (
            {"settings": {"imageProcessingSettings": {"augmentationMethods": {"blur": True}}}},
            "BadRequestProjectImagePreprocessingSettings",
        ),
        ({"settings": []}, "BadRequest"),
        ({"name": [5]}, "BadRequest"),
    ],
)
def test_a_refused_change_changes_nothing(service: Service, body: dict[str, object], code: str) -> None:
    path = service.project()
    before = service.get(path)
    valid = {"description": "not to be seen"}
    assert service.refused("PATCH", path, json=valid | body)[:2] == (400, code)
    assert service.get(path) == before


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b'"x"'])
def test_a_change_needs_a_json_object(service: Service, content: bytes) -> None:
    path = service.project()
    assert service.refused("PATCH", path, content=content)[:2] == (400, "BadRequest")


def test_deleting_a_project_deletes_everything_in_it(service: Service) -> None:
    project, _, _ = service.trainable()
    kept = service.project("kept")
    service.images(kept, [picture(0), picture(1000)])
    iteration = service.train(project)
    address = service.publish(iteration)
    service.predict(address, picture(500))
    service.delete(f"{iteration}/publish")
    service.delete(project)
    assert service.refused("GET", project)[:2] == (404, "NotFoundProject")
    assert (
        service.rows("SELECT count(*) FROM tag") == service.rows("SELECT count(*) FROM iteration") == [(0,)]
    )
    assert service.rows("SELECT count(*) FROM stored_prediction") == [(0,)]
    # The blob that both projects shared is still that of the other one.
    assert service.blobs() == service.referenced_blobs()
    assert len(service.blobs()) == 2


def test_deleting_a_project_with_a_published_iteration_is_refused(service: Service) -> None:
    project, _, _ = service.trainable()
    service.publish(service.train(project), "name")
    status, code, message = service.refused("DELETE", project)
    assert (status, code, message) == (
        400,
        "BadRequestIterationIsPublished",
        "Iteration is already published as: name",
    )
    assert len(service.get(f"{project}/iterations")) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/tags"),
        ("GET", f"/tags/{NOWHERE}"),
        ("DELETE", f"/tags/{NOWHERE}"),
        ("GET", "/images"),
        ("GET", "/images/count"),
        ("GET", "/images/tagged"),
        ("GET", "/images/untagged/count"),
        ("GET", "/images/id"),
        ("DELETE", "/images?allImages=true"),
        ("DELETE", f"/images/tags?imageIds={NOWHERE}&tagIds={NOWHERE}"),
        ("POST", "/train"),
        ("GET", "/iterations"),
        ("GET", f"/iterations/{NOWHERE}"),
        ("DELETE", f"/iterations/{NOWHERE}"),
        ("GET", f"/iterations/{NOWHERE}/performance"),
        ("DELETE", f"/iterations/{NOWHERE}/publish"),
        ("POST", "/tags?name=a"),
    ],
)
def test_nothing_is_in_a_project_that_is_not_there(service: Service, method: str, path: str) -> None:
    assert service.refused(method, f"/projects/{NOWHERE}{path}")[:2] == (404, "NotFoundProject")


def test_uploads_into_a_project_that_is_not_there_keep_no_bytes(service: Service) -> None:
    response = service.send("POST", f"/projects/{NOWHERE}/images", content=picture())
    assert response.status_code == 404
    assert service.blobs() == set()
