"""The state of the emulator before the test: objects of every kind, so that operations can succeed.

There are two projects each for classification and detection: one with tags, tagged and untagged images, two
iterations, of which one is published, a stored prediction, and a test set on which both iterations are
evaluated; and one to be trained.
"""

import base64
from collections.abc import Callable
from typing import Any

import httpx

from tests.support.harness import PREDICTION_KEY, RESOURCE_ID, TRAINING_KEY, files_body, wait_until
from tests.support.images import picture

PUBLISHED_NAME = "published"
# Compact domains, whose iterations can be exported.
_DOMAINS = {
    "classify": "0732100f-1a38-4e49-a514-c9b44c697ab5",
    "detect": "a27d5ca5-bb19-49d8-a70a-fec086c47f5b",
}
# Bodies of uploads and predictions: different images, a truncated one, and bytes that are no image.
PICTURES = (
    *(picture(number, colour) for number in range(3) for colour in ("red", "blue")),
    picture(0, "grey", format="JPEG"),
    picture(1, "green", format="GIF"),
    picture(2, "green", format="BMP"),
    picture(0, "red")[:200],
    b"no picture",
    b"",
)
# A real training takes long beside a busy emulator.
TRAINING_SECONDS = 300
_PER_TAG = {"classify": 5, "detect": 15}
KINDS = tuple(_PER_TAG)
# Suffix of a kind: the project of that kind that is to be trained.
TO_TRAIN = " to train"
# Stored among the ids: signed URIs of the project.
SIGNED = "signed"
# The name of a snapshot of the world.
SNAPSHOT = "base"

Ids = dict[str, list[str]]


def make(endpoint: str) -> dict[str, Ids]:
    """Create the world in an empty emulator; returns the ids of each project's objects, by parameter name."""
    with httpx.Client(
        base_url=f"{endpoint}/customvision",
        headers={"Training-Key": TRAINING_KEY},
        trust_env=False,
        timeout=60,
    ) as client:

        def sent(method: str, path: str, **more: Any) -> Any:
            response = client.request(method, f"/v3.3/training{path}", **more)
            assert response.is_success, response.text
            return response.json()

        types = {domain["id"]: domain["type"] for domain in sent("GET", "/domains")}
        projects = {}
        for kind in KINDS:
            for name in (kind, kind + TO_TRAIN):
                ids, domain_id = _labelled(sent, kind)
                same_type = [domain for domain, kept in types.items() if kept == types[domain_id]]
                projects[name] = ids | {"domainId": same_type}
            projects[kind] |= _trained(sent, client, kind, projects[kind])
            control = f"{endpoint}/_emulator/projects/{projects[kind]['projectId'][0]}"
            projects[kind]["testSetId"] = [_test_set(client, control, kind, projects[kind])]
        saved = client.put(f"{endpoint}/_emulator/snapshots/{SNAPSHOT}")
        assert saved.is_success, saved.text
        return projects


def _labelled(sent: Callable[..., Any], kind: str) -> tuple[Ids, str]:
    """Create a project that can be trained; returns its objects and the id of its domain."""
    parameters = {"name": kind, "classificationType": "Multiclass", "domainId": _DOMAINS[kind]}
    made = sent("POST", "/projects", params=parameters)
    project = f"/projects/{made['id']}"
    tags, images = [], []
    for colour in ("red", "blue"):
        tag = sent("POST", f"{project}/tags", params={"name": colour})["id"]
        tags.append(tag)
        body = files_body([picture(number, colour) for number in range(_PER_TAG[kind])])
        region = {"tagId": tag, "left": 0.1, "top": 0.2, "width": 0.5, "height": 0.4}
        for entry in body["images"]:
            entry |= {"regions": [region]} if kind == "detect" else {"tagIds": [tag]}
        images += [item["image"] for item in sent("POST", f"{project}/images/files", json=body)["images"]]
    untagged = sent(
        "POST", f"{project}/images/files", json=files_body([picture(0, "green"), picture(1, "grey")])
    )
    images += [item["image"] for item in untagged["images"]]
    ids = {
        "projectId": [made["id"]],
        "tagId": tags,
        "imageId": [image["id"] for image in images],
        "regionId": [region["regionId"] for image in images for region in image.get("regions", ())],
    }
    return ids, made["settings"]["domainId"]


def _trained(sent: Callable[..., Any], client: httpx.Client, kind: str, ids: Ids) -> Ids:
    """Train the project and predict an image; returns the additional objects."""
    project_id, untagged_id = ids["projectId"][0], ids["imageId"][-1]
    project = f"/projects/{project_id}"
    iteration_id, other_id = (_iteration(sent, project) for _ in range(2))
    iteration = f"{project}/iterations/{iteration_id}"
    sent("POST", f"{iteration}/publish", params={"publishName": PUBLISHED_NAME, "predictionId": RESOURCE_ID})
    suggested = {"iterationId": iteration_id, "imageIds": untagged_id}
    sent("POST", f"{project}/tagsandregions/suggestions", params=suggested)
    predicted = client.post(
        f"/v3.1/prediction/{project_id}/{kind}/iterations/{PUBLISHED_NAME}/image",
        headers={"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"},
        content=picture(3, "blue"),
    )
    assert predicted.is_success, predicted.text
    stored = sent("POST", f"{project}/predictions/query", json={})["results"][0]
    image = sent("GET", f"{project}/images/id", params={"imageIds": untagged_id})[0]
    token = sent("GET", f"{project}/export")["token"]
    sent("POST", f"{iteration}/export", params={"platform": "CoreML"})
    exported = wait_until(
        lambda: [one for one in sent("GET", f"{iteration}/export") if one["status"] == "Done"], "an export"
    )
    return {
        "iterationId": [iteration_id, other_id],
        "id": [stored["id"]],
        SIGNED: [
            *(one[name] for one in (image, stored) for name in ("originalImageUri", "thumbnailUri")),
            token,
            token.replace("project-export-info", "project-export-data"),
            exported[0]["downloadUri"],
        ],
    }


def _iteration(sent: Callable[..., Any], project: str) -> str:
    """Train the project; returns the id of the iteration."""
    iteration_id: str = sent("POST", f"{project}/train", params={"forceTrain": True})["id"]
    iteration = f"{project}/iterations/{iteration_id}"
    wait_until(lambda: sent("GET", iteration)["status"] != "Training", "a training", TRAINING_SECONDS)
    return iteration_id


def _test_set(client: httpx.Client, project: str, kind: str, ids: Ids) -> str:
    """Create a test set, on which all iterations are evaluated; returns its id. project: its address."""
    made = client.post(f"{project}/testSets", json={"name": "base"})
    assert made.is_success, made.text
    test_set_id: str = made.json()["id"]
    images = [
        {"contents": as_base64(picture(number, colour)), "tagIds": [tag_id]}
        for number in (7, 8)
        for colour, tag_id in zip(("red", "blue"), ids["tagId"], strict=True)
    ]
    address = f"{project}/testSets/{test_set_id}"
    added = client.post(f"{address}/images", json={"images": images})
    assert added.status_code == 200, added.text
    asked = client.post(f"{address}/evaluations", json={"iterationIds": ids["iterationId"]})
    assert asked.is_success, asked.text

    def evaluated() -> bool:
        return all(one["status"] == "Completed" for one in client.get(f"{address}/evaluations").json())

    wait_until(evaluated, "evaluations on a test set")
    return test_set_id


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
