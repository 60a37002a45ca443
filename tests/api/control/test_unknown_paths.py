"""Paths and methods that the control API lacks: the message says so and names the documentation."""

import pytest

from tests.support.harness import Service


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/_emulator/snapshot", "no operation has this path"),
        ("PUT", "/_emulator/snapshots/a/b", "no operation has this path"),
        ("POST", "/_emulator/clock", "the path has no method POST"),
        ("GET", "/_emulator/predictionScripts/first", "scriptId in the path is not a GUID"),
        ("GET", "/_emulator/projects/shop/choreography", "projectId in the path is not a GUID"),
    ],
)
def test_unknown(service: Service, method: str, path: str, reason: str) -> None:
    response = service.send_unvalidated(method, path)
    assert response.status_code == 404
    message = response.json()["error"]["message"]
    assert (
        message == f"{method} {path} is no operation of the emulator: {reason}. All are at /_emulator/docs."
    )


def test_unknown_paths_of_the_service_have_the_error_of_the_gateway(service: Service) -> None:
    response = service.send_unvalidated("GET", "/customvision/v3.3/training/models")
    assert response.json() == {"error": {"code": "404", "message": "Resource not found"}}
