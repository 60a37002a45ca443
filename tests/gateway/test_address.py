"""Paths, versions and keys: the operation that a request reaches, and the gateway's errors."""

from urllib.parse import unquote

import pytest
from starlette.routing import Match

from emulator.contract.operations import BY_NAME
from tests.support.harness import (
    NOWHERE,
    Service,
    expect,
    refusal,
    test_settings,
    training_path,
)
from tests.support.images import picture

NOT_FOUND = {"error": {"code": "404", "message": "Resource not found"}}


@pytest.mark.parametrize(
    "path",
    [
        "/customvision/v3.3/training/projects",
        "//customvision/v3.3/training/projects",
        "/customvision/v3.3/Training/projects",
        "/CustomVision/V3.3/TRAINING/Projects",
        "/customvision/v3.3/training/projects/",
        "/customvision//v3.3//training/projects",
        "/customvision/v3.3/training//projects",
        "/customvision/v3.3/training///projects//",
    ],
)
def test_paths_match_in_any_case_and_with_repeated_slashes(service: Service, path: str) -> None:
    response = service.request("GET", path)
    assert expect(response) == []
    assert "x-emulator-served-version" not in response.headers


def test_literal_segments_deep_in_a_path_match_in_any_case(service: Service) -> None:
    project = service.project()
    assert expect(service.send("GET", f"{project.upper()}/Images/Tagged/COUNT")) == 0


@pytest.mark.parametrize(
    ("asked", "served"),
    [("v3.5", "3.4-preview"), ("v3.4", "3.4-preview"), ("v9.9-preview", "3.4-preview"), ("v3", "3.0")],
)
def test_unknown_versions_are_served_as_the_nearest_and_a_header_says_so(
    service: Service, asked: str, served: str
) -> None:
    response = service.send("GET", "/domains", version=asked)
    assert response.headers["x-emulator-served-version"] == served
    exact = service.send("GET", "/domains", version=f"v{served}")
    assert exact.content == response.content


def test_a_newer_prediction_version_is_served_as_the_newest(service: Service) -> None:
    response = service.predict(f"/customvision/v3.3/prediction/{NOWHERE}/classify/iterations/x", picture())
    assert response.headers["x-emulator-served-version"] == "3.1"
    assert refusal(response)[:2] == (404, "NotFoundProject")


@pytest.mark.parametrize(
    "path",
    [
        "/customvision/v1.0/Training/projects",
        "/customvision/v2.2/training/projects",
        "/customvision/v2.0/Prediction/x/image",
        "//customvision/v1.1/anything/else",
        "/customvision/v2/training",
    ],
)
def test_retired_versions_are_refused_by_name_with_the_way_out(service: Service, path: str) -> None:
    response = service.send_unvalidated("GET", path)
    status, code, message = refusal(response)
    assert (status, code) == (400, "BadRequestNotSupported")
    assert "/customvision/v3.4-preview/training" in message
    assert "/customvision/v3.1/prediction" in message


def test_repeated_slashes_deep_in_a_path_count_as_one(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration = service.train(project)
    assert expect(service.send("GET", f"/{project}//images///count")) == 10
    for name in ("a", "b%2F%2Fc", "%2Fd"):
        address = service.publish(iteration, unquote(name)).rpartition("/iterations/")[0]
        for path in (f"{address}/iterations/{name}", f"{address}//iterations//{name}/"):
            assert service.predict(path, picture()).status_code == 200
        service.delete(f"{iteration}/publish")
    wrong = service.predict(f"{address}/iterations/b%2Fc", picture())
    assert refusal(wrong)[:2] == (404, "NotFoundIteration")


def test_repeated_slashes_do_not_bypass_keys(service: Service) -> None:
    for path in ("//_emulator/reset", "/_emulator//reset", "/customvision/v3.3//training//projects"):
        assert service.request("POST", path, key=None).status_code == 401


def test_operations_without_an_address_have_no_route(service: Service) -> None:
    """Such a request would have passed the middleware without the check of its key."""
    for path in ("/training/projects", "/prediction/x/classify/iterations/y/image"):
        scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        operations = [route for route in service.app.routes if getattr(route, "name", "") in BY_NAME]
        assert operations
        assert all(route.matches(scope)[0] == Match.NONE for route in operations)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", ""),
        ("GET", "/nothing"),
        ("PUT", "/projects"),
        ("DELETE", "/projects"),
        ("OPTIONS", "/projects"),
        ("GET", "/projects/import"),
        ("GET", "/projects/not-a-guid"),
        ("DELETE", f"/projects/{NOWHERE}/tags/5"),
        ("POST", f"/projects/{NOWHERE}/images/nothing"),
        ("GET", f"/projects/{NOWHERE}/iterations/x/performance"),
        ("GET", f"/projects/{NOWHERE}/%00"),
        ("GET", f"/domains/{NOWHERE}x"),
    ],
)
def test_unknown_paths_methods_and_ids_get_the_gateways_404(service: Service, method: str, path: str) -> None:
    response = service.send(method, path)
    assert response.status_code == 404
    assert response.json() == NOT_FOUND
    assert response.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/customvision",
        "/customvision/v3.3",
        "/customvision/v3.3/other/projects",
        "/customvision/latest/training/projects",
        "/customvision/vx/training/projects",
        "/training/projects",
        "/Training/projects",
        "//TRAINING/domains",
        "/training",
        "/prediction/x",
        f"/Prediction/{NOWHERE}/classify/iterations/x/image",
        "/v3.3/training/projects",
    ],
)
def test_paths_outside_the_apis_get_the_gateways_404(service: Service, path: str) -> None:
    response = service.send_unvalidated("GET", path)
    assert (response.status_code, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    ("version", "path", "exists"),
    [
        ("v3.2", "/images", False),
        ("v3.3", "/images", True),
        ("v3.2", "/images/count", False),
        ("v3.0", "/images/tagged", True),
    ],
)
def test_operations_exist_from_their_version_on(
    service: Service, version: str, path: str, exists: bool
) -> None:
    project = service.project()
    response = service.send("GET", project + path, version=version)
    assert response.status_code == (200 if exists else 404)


def test_head_is_not_a_method_of_the_service(service: Service) -> None:
    assert service.send("HEAD", "/projects").status_code == 404


# --- sizes and media types ----------------------------------------------------------------------------------


def test_a_body_over_the_limit_is_refused_before_it_is_read(service: Service) -> None:
    service.close()
    service.settings = test_settings(service.settings.data, max_body_mb=1)
    service.open()
    project = service.project()
    announced = service.send("POST", f"{project}/images", content=b"x" * (2**20 + 1))
    assert announced.status_code == 413
    assert announced.json()["error"]["code"] == "413"

    async def in_chunks():  # type: ignore[no-untyped-def]
        for _ in range(17):
            yield b"x" * 2**16

    unannounced = service.send("POST", f"{project}/images", content=in_chunks())
    assert unannounced.status_code == 413
    assert service.get(f"{project}/images/count") == 0


@pytest.mark.parametrize(
    "media_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"]
)
@pytest.mark.parametrize("path", ["/images", "/quicktest/image"])
def test_image_bytes_of_another_media_type_are_refused(service: Service, path: str, media_type: str) -> None:
    project = service.project()
    response = service.send("POST", project + path, content=picture(), headers={"Content-Type": media_type})
    assert refusal(response)[:2] == (415, "UnsupportedMediaType")


def test_a_json_content_type_on_requests_without_a_body_is_no_error(service: Service) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    made = service.send("POST", "/projects", params={"name": "x"}, headers=headers)
    assert made.status_code == 200
    assert service.send("GET", "/projects", headers=headers).status_code == 200


def test_every_response_has_its_own_request_id(service: Service) -> None:
    ids = {service.request("GET", training_path("/projects")).headers["apim-request-id"] for _ in range(3)}
    assert len(ids) == 3
