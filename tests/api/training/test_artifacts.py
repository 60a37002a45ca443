"""GetArtifact: the file of an image by its path, with a key."""

from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.harness import NOWHERE, Service, expect, refusal, training_path
from tests.support.images import picture


@pytest.fixture
def image(service: Service) -> dict[str, str]:
    """An image, with its project's path and the paths of its URIs."""
    project = service.project()
    made = service.upload(project, [picture(size=(400, 300), format="JPEG")])[0]["image"]
    return {
        "project": project,
        "full": urlsplit(made["originalImageUri"]).path,
        "thumbnail": urlsplit(made["thumbnailUri"]).path,
    }


def artifact(
    service: Service, project: str, path: str | None, version: str = "v3.4-preview"
) -> httpx.Response:
    parameters = {} if path is None else {"path": path}
    return service.send("GET", f"{project}/artifacts", params=parameters, version=version)


@pytest.mark.parametrize("version", ["v3.3", "v3.4-preview"])
@pytest.mark.parametrize("kind", ["full", "thumbnail"])
def test_the_bytes_are_those_of_the_signed_uri(
    service: Service, image: dict[str, str], version: str, kind: str
) -> None:
    response = artifact(service, image["project"], image[kind], version)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["request-id"] == response.headers["apim-request-id"]
    assert response.content[:2] == b"\xff\xd8"
    if kind == "full":
        assert response.content == picture(size=(400, 300), format="JPEG")
    assert (
        artifact(service, image["project"], image[kind].upper().lstrip("/"), version).content
        == response.content
    )


def test_the_image_of_a_stored_prediction(service: Service) -> None:
    project, _, _ = service.trainable()
    expect(service.predict(service.publish(service.train(project)), picture(70)))
    (stored,) = service.post(f"{project}/predictions/query", json={})["results"]
    for name in ("originalImageUri", "thumbnailUri"):
        response = artifact(service, project, urlsplit(stored[name]).path)
        assert (response.status_code, response.content[:2]) == (200, b"\xff\xd8")
    other = service.project()
    refused = refusal(artifact(service, other, urlsplit(stored["thumbnailUri"]).path))
    assert refused[1] == "BadRequestInvalidArtifactUri"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "x",
        "/etc/passwd",
        "../../link-secret",
        "/{container}/../link-secret",
        "//{container}/i-{image}",
        "/{container}/x-{image}",
        "/{container}/i-{image}/",
        "/{container}/i-{image}\n",
        "/{container}/i-{image}?sv=1",
        "http://emulator.localhost/{container}/i-{image}",
        "/{container}/i-{image}" + "x" * 10_000,
        "/i-00000000000040008000000000000000/i-{image}",
        "/m-{container}/{image}.ONNX.zip",
        "\0",
    ],
)
def test_other_paths_are_refused(service: Service, image: dict[str, str], path: str) -> None:
    _, container, name = image["full"].split("/")
    asked = path.replace("{container}", container).replace("{image}", name[2:])
    refused = refusal(artifact(service, image["project"], asked))
    assert refused[:2] == (400, "BadRequestInvalidArtifactUri")


def test_what_is_not_there(service: Service, image: dict[str, str]) -> None:
    gone = image["full"][:-32] + "0" * 32
    assert refusal(artifact(service, image["project"], gone))[:2] == (404, "NotFoundImage")
    assert refusal(artifact(service, image["project"], None))[:2] == (400, "BadRequestRequiredParamIsNull")
    assert refusal(artifact(service, f"/projects/{NOWHERE}", gone))[:2] == (404, "NotFoundProject")
    assert artifact(service, image["project"], image["full"], "v3.2").status_code == 404


def test_a_key_is_needed(service: Service, image: dict[str, str]) -> None:
    path = training_path(f"{image['project']}/artifacts?path={image['full']}")
    assert service.request("GET", path, key=None).status_code == 401
