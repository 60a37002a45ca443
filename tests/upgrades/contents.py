"""Everything that a client can read of an emulator, as JSON.

The version that writes a data folder uses this module, and the current one, so that their results can be
compared. It imports the standard library only.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

TRAINING = "/customvision/v3.3/training"
PREDICTION = "/customvision/v3.1/prediction"
_PREDICTION_KEY = "3" * 32
_KINDS = {"Classification": "classify", "ObjectDetection": "detect"}


class Response(Protocol):
    """A response of httpx."""

    status_code: int
    content: bytes

    def json(self) -> Any: ...


# Takes method, path and arguments of httpx.
Request = Callable[..., Response]


def read(request: Request, probes: list[bytes]) -> dict[str, Any]:
    """The projects by name. probes: images for which the published iterations predict."""
    domains = {each["id"]: each["type"] for each in _get(request, "/domains")}
    return {
        project["name"]: _project(request, project, _KINDS[domains[project["settings"]["domainId"]]], probes)
        for project in _get(request, "/projects")
    }


def image_hash(request: Request, uri: str) -> str:
    """The SHA-256 of what an image URI returns."""
    parts = urlsplit(uri)
    response = request("GET", f"{parts.path}?{parts.query}", key=None)
    assert response.status_code == 200, response.content
    return sha256(response.content)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def post(request: Request, path: str, **more: Any) -> Any:
    """The JSON of a POST of the training API."""
    response = request("POST", TRAINING + path, **more)
    assert response.status_code == 200, response.content
    return response.json()


def predict(request: Request, project: str, kind: str, name: str, image: bytes, *, store: bool) -> Any:
    """The result of a published iteration. project: ``/projects/...``. kind: classify or detect."""
    address = f"{PREDICTION}{project.removeprefix('/projects')}/{kind}/iterations/{name}/image"
    response = request(
        "POST",
        address if store else f"{address}/nostore",
        key=None,
        headers={"Prediction-Key": _PREDICTION_KEY, "Content-Type": "application/octet-stream"},
        content=image,
    )
    assert response.status_code == 200, response.content
    return response.json()


def prediction_of(result: dict[str, Any]) -> list[list[Any]]:
    """Tag name, probability and box of the predictions of a result, in their order."""
    return [
        [each["tagName"], each["probability"], _box(each.get("boundingBox"))]
        for each in result["predictions"]
    ]


def _project(request: Request, project: dict[str, Any], kind: str, probes: list[bytes]) -> dict[str, Any]:
    path = f"/projects/{project['id']}"
    listed = _get(request, f"{path}/iterations")
    iterations = [_iteration(request, path, kind, iteration, probes) for iteration in listed]
    return {
        **_chosen(project, "id", "name", "description", "created"),
        "settings": _chosen(project["settings"], "domainId", "classificationType"),
        "tags": _tags(request, path),
        "images": _images(request, path),
        "iterations": sorted(iterations, key=lambda iteration: iteration["created"]),
    }


def _tags(request: Request, path: str, **parameters: str) -> list[dict[str, Any]]:
    tags = _get(request, f"{path}/tags", **parameters)
    return [_chosen(tag, "id", "name", "description", "type", "imageCount") for tag in tags]


def _images(request: Request, path: str, **parameters: str) -> list[dict[str, Any]]:
    kinds = ("tagged", "untagged")
    images = [
        image for kind in kinds for image in _get(request, f"{path}/images/{kind}", take="256", **parameters)
    ]
    return [
        {
            **_chosen(image, "id", "created", "width", "height", "metadata"),
            "sha256": image_hash(request, image["originalImageUri"]),
            "tags": sorted(tag["tagId"] for tag in image.get("tags") or ()),
            "regions": [
                [region["regionId"], region["tagId"], _box(region)] for region in image.get("regions") or ()
            ],
        }
        for image in sorted(images, key=lambda image: str(image["id"]))
    ]


def _iteration(
    request: Request, project: str, kind: str, iteration: dict[str, Any], probes: list[bytes]
) -> dict[str, Any]:
    values = _chosen(
        iteration, "id", "name", "status", "created", "trainedAt", "domainId", "publishName", "exportable"
    )
    if iteration["status"] != "Completed":
        return values
    path = f"{project}/iterations/{iteration['id']}/performance"
    values |= {
        "performance": _get(request, path, threshold="0.4", overlapThreshold="0.3"),
        "tags": _tags(request, project, iterationId=iteration["id"]),
        "images": _images(request, project, iterationId=iteration["id"]),
        "predictions": [],
    }
    if values["publishName"]:
        for probe in probes:
            result = predict(request, project, kind, values["publishName"], probe, store=False)
            values["predictions"].append(prediction_of(result))
    return values


def _get(request: Request, path: str, **parameters: str) -> Any:
    response = request("GET", TRAINING + path, params=parameters)
    assert response.status_code == 200, response.content
    return response.json()


def _chosen(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values.get(name) for name in names}


def _box(values: dict[str, Any] | None) -> list[float] | None:
    return None if values is None else [values[side] for side in ("left", "top", "width", "height")]
