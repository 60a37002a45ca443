"""Snapshots over HTTP: keys, methods and bodies."""

import pytest

from tests.support.harness import PREDICTION_KEY, Service
from tests.support.images import pictures
from tests.support.snapshots import PATH, save


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/base"),
        ("PUT", "/base"),
        ("DELETE", "/base"),
        ("POST", "/base/restore"),
        ("GET", "/base/archive"),
        ("PUT", "/base/archive"),
    ],
)
@pytest.mark.parametrize("key", [None, PREDICTION_KEY, "wrong"])
def test_only_the_training_key_opens_snapshots(
    service: Service, method: str, path: str, key: str | None
) -> None:
    assert service.request(method, PATH + path, key=key).status_code == 401


def test_an_archive_has_a_name_and_a_length(service: Service) -> None:
    service.images(service.project(), pictures(2))
    save(service, "my.snapshot")
    response = service.request("GET", f"{PATH}/my.snapshot/archive")
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == 'attachment; filename="my.snapshot.zip"'
    assert int(response.headers["content-length"]) == len(response.content)
    head = service.request("HEAD", f"{PATH}/my.snapshot/archive")
    assert (head.status_code, head.content) == (200, b"")
    assert service.request("HEAD", f"{PATH}/other/archive").status_code == 404


def test_downloads_leave_no_files(service: Service) -> None:
    save(service)
    before = sorted(path.name for path in service.settings.data.iterdir())
    service.request("GET", f"{PATH}/base/archive")
    assert sorted(path.name for path in service.settings.data.iterdir()) == before


def test_other_methods_are_unknown(service: Service) -> None:
    for method, path in (("POST", "/base"), ("PATCH", "/base"), ("GET", "/base/restore"), ("DELETE", "")):
        assert service.request(method, PATH + path).status_code == 404
