"""Publishing iterations, and withdrawing them."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
import requests
from urllib3.util import parse_url

from tests.support.harness import NOWHERE, PREDICTION_KEY, RESOURCE_ID, Service, refusal


def publish(
    service: Service, iteration: str, name: str = "a", target: str = RESOURCE_ID, **more: Any
) -> tuple[int, str]:
    """The status and the code, "" when it was published."""
    parameters = {"publishName": name, "predictionId": target, **more.pop("params", {})}
    response = service.send("POST", f"{iteration}/publish", params=parameters, **more)
    if response.status_code == 200:
        assert response.json() is True
        return 200, ""
    return refusal(response)[:2]


def test_publishing_and_taking_back(service: Service) -> None:
    iteration = service.train(service.trainable()[0])
    before = service.get(iteration)
    service.clock.advance(minutes=1)
    assert publish(service, iteration, " my name ") == (200, "")
    published = service.get(iteration)
    assert (published["publishName"], published["originalPublishResourceId"]) == ("my name", RESOURCE_ID)
    assert published["lastModified"] > before["lastModified"]
    assert published["trainedAt"] == before["trainedAt"]
    service.delete(f"{iteration}/publish")
    after = service.get(iteration)
    assert (after["publishName"], after["originalPublishResourceId"]) == (None, None)
    assert service.refused("DELETE", f"{iteration}/publish")[:2] == (400, "BadRequestIterationNotPublished")


def test_an_iteration_is_published_under_one_name(service: Service) -> None:
    iteration = service.train(service.trainable()[0])
    publish(service, iteration, "first")
    for parameters in ({}, {"overwrite": "true"}):
        response = service.send(
            "POST",
            f"{iteration}/publish",
            params={"publishName": "second", "predictionId": RESOURCE_ID, **parameters},
        )
        assert refusal(response)[1:] == (
            "BadRequestIterationIsPublished",
            "Iteration is already published as: first",
        )


def test_a_name_belongs_to_one_iteration_unless_overwritten(service: Service) -> None:
    project, _, _ = service.trainable()
    first, second = (service.train(project, params={"forceTrain": "true"}) for _ in range(2))
    assert publish(service, first, "name") == (200, "")
    assert publish(service, second, "name") == (400, "BadRequestInvalidPublishName")
    overwrite = {"overwrite": "true"}
    assert publish(service, second, "name", params=overwrite, version="v3.2") == (
        400,
        "BadRequestInvalidPublishName",
    )
    assert publish(service, second, "name", params=overwrite, version="v3.3") == (200, "")
    assert [service.get(path)["publishName"] for path in (first, second)] == [None, "name"]
    assert publish(service, first, "another") == (200, "")
    assert publish(service, service.train(service.trainable()[0]), "name") == (200, "")


@pytest.mark.parametrize(
    "target",
    [
        "x",
        "/subscriptions/1/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/",
        "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/accounts/a",
        RESOURCE_ID[:-20],
        RESOURCE_ID + "/more/still",
    ],
)
def test_the_target_must_be_a_resource(service: Service, target: str) -> None:
    iteration = service.train(service.trainable()[0])
    assert publish(service, iteration, "a", target) == (400, "BadRequestInvalidPublishTarget")
    assert service.get(iteration)["publishName"] is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "BadRequestRequiredParamIsNull"),
        ("  ", "BadRequestInvalidPublishName"),
        ("x" * 10_000, "BadRequestInvalidPublishName"),
        ("a\0", "BadRequestInvalidPublishName"),
    ],
)
def test_names_that_are_refused(service: Service, name: str, code: str) -> None:
    iteration = service.train(service.trainable()[0])
    assert publish(service, iteration, name) == (400, code)


def test_publishing_needs_a_completed_iteration(service: Service) -> None:
    project, _, _ = service.trainable()
    training = f"{project}/iterations/{service.post(f'{project}/train')['id']}"
    assert publish(service, training) == (400, "BadRequestIterationIsNotTrained")
    assert publish(service, f"{project}/iterations/{NOWHERE}") == (404, "NotFoundIteration")


def test_a_published_iteration_cannot_be_deleted(service: Service) -> None:
    iteration = service.train(service.trainable()[0])
    publish(service, iteration)
    assert service.refused("DELETE", iteration)[:2] == (400, "BadRequestIterationIsPublished")
    service.delete(f"{iteration}/publish")
    service.delete(iteration)


# Names whose characters mean something in a path, a query or an escape; names that look like other paths.
REACHABLE = [
    *("...", "a.", ".a", "v1.0", "%2e%2e", ".%2e", "a/b", "/", "/a", "a/", "a//b", "a/../b", "../a", "a/.."),
    *("\\", "a\\b", "..\\a", "50%", "%", "%2F", "a%2Fb", "a b", "a+b", "a?b", "a#b", "a;b=c", "a,b", "a&b=c"),
    *(
        "image",
        "x/image",
        "x/url/nostore",
        "nostore",
        "ä",
        "日本",
        "e\u0301",
        "😀",
        "@",
        "*",
        "{x}",
        "|",
        "a" * 256,
    ),
]


def address(iteration: str, name: str, source: str = "image") -> str:
    project_id = iteration.split("/")[2]
    path = f"{project_id}/classify/iterations/{quote(name, safe='')}/{source}"
    return f"/customvision/v3.1/prediction/{path}"


@pytest.mark.parametrize("name", REACHABLE)
def test_a_published_name_can_be_addressed(service: Service, name: str) -> None:
    iteration = service.train(service.trainable()[0])
    assert publish(service, iteration, name) == (200, "")
    headers = {"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"}
    for source in ("image", "image/nostore"):
        path = address(iteration, name, source)
        # What clients send is this path; see the next test for names of which that is not true.
        for sent in (
            requests.Request("POST", f"http://h{path}").prepare().url,
            str(httpx.URL(f"http://h{path}")),
        ):
            assert sent == f"http://h{path}"
        response = service.request("POST", path, key=None, content=b"no image", headers=headers)
        assert refusal(response)[1] == "BadRequestImageFormat"


@pytest.mark.parametrize("name", [".", "..", " .. "])
def test_published_names_that_clients_remove_from_paths_are_refused(service: Service, name: str) -> None:
    iteration = service.train(service.trainable()[0])
    assert publish(service, iteration, name) == (400, "BadRequestInvalidPublishName")
    sent = parse_url(f"http://h{address(iteration, name.strip())}").request_uri
    assert sent != address(iteration, name.strip())


def test_blanks_around_a_name_are_no_part_of_it(service: Service) -> None:
    iteration = service.train(service.trainable()[0])
    assert publish(service, iteration, " my name ") == (200, "")
    headers = {"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"}
    for name in ("my name", " my name", "my name "):
        response = service.request(
            "POST", address(iteration, name), key=None, content=b"no image", headers=headers
        )
        assert refusal(response)[1] == "BadRequestImageFormat"
