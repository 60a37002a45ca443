"""Projects with images, trained and published on demand, made by requests to a running emulator."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.testing import images
from emulator.testing.control_client import TRAINING, ControlClient, EmulatorError, segment

# The fewest images of a tag with which the service trains.
CLASSIFICATION_IMAGES, DETECTION_IMAGES = 5, 15
# Domains by kind of project: the general ones, and those whose models can be exported.
_DOMAINS = {
    (False, False): "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31",
    (False, True): "0732100f-1a38-4e49-a514-c9b44c697ab5",
    (True, False): "da2e3a8a-40a5-4171-82f4-58522f70fbc1",
    (True, True): "a27d5ca5-bb19-49d8-a70a-fec086c47f5b",
}
_BATCH = 64
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.002, 0.25


@dataclass(frozen=True)
class SampleProject:
    """A project that was made for a test.

    Attributes:
        tags: ids by name.
        images: ids by the name of the tag.
        iteration_id: of the trained iteration; None if it was not trained.
        published_name: None if it was not published.
    """

    id: str
    name: str
    is_detection: bool
    tags: dict[str, str]
    images: dict[str, list[str]]
    iteration_id: str | None = None
    published_name: str | None = None

    def image(self, tag: str, number: int = 0) -> bytes:
        """An image of a tag that is not in the project: another one for each `number`."""
        unused = 1_000_000 + number
        return images.scene(tag, number=unused).data if self.is_detection else images.sample(tag, unused)


def create_project(
    client: ControlClient,
    prediction_resource_id: str,
    *,
    tags: Mapping[str, int] | Iterable[str] = ("red", "blue"),
    name: str = "sample",
    detection: bool = False,
    multilabel: bool = False,
    compact: bool = False,
    trained: bool = False,
    published: str | None = None,
    seed: int = 0,
    timeout: float = 120,
) -> SampleProject:
    """Create a project with images of each tag.

    Args:
        tags: names with numbers of images, or names alone, with the fewest images that can be trained.
        detection: images with a box around an object, instead of images for classification.
        compact: a domain whose models can be exported.
        trained: train an iteration and wait for its end.
        published: publish the iteration under this name, which trains it too.
        seed: of the images.
        timeout: seconds that the training may take.

    Raises:
        EmulatorError: a request is refused, or the training fails or takes too long.
        TypeError: `tags` is a text.
        ValueError: both `detection` and `multilabel`.
    """
    if isinstance(tags, str):
        raise TypeError(
            f"tags must be names in a list, or names with numbers of images, not the text {tags!r}"
        )
    if detection and multilabel:
        raise ValueError(
            "multilabel is for classification; images for detection may always have several tags"
        )
    fewest = DETECTION_IMAGES if detection else CLASSIFICATION_IMAGES
    counts = dict(tags) if isinstance(tags, Mapping) else dict.fromkeys(tags, fewest)
    kind = None if detection else "Multilabel" if multilabel else "Multiclass"
    made = client.send(
        "POST",
        f"{TRAINING}/projects",
        name=name,
        domainId=_DOMAINS[detection, compact],
        classificationType=kind,
    )
    project_id = made["id"]
    path = f"{TRAINING}/projects/{project_id}"
    tag_ids = {tag: client.send("POST", f"{path}/tags", name=tag)["id"] for tag in counts}
    image_ids = {
        tag: _upload(client, path, [_entry(tag, tag_ids, number, detection, seed) for number in range(count)])
        for tag, count in counts.items()
    }
    iteration_id = _train(client, path, timeout) if trained or published else None
    if published is not None:
        client.send(
            "POST",
            f"{path}/iterations/{iteration_id}/publish",
            publishName=published,
            predictionId=prediction_resource_id,
        )
    return SampleProject(
        id=project_id,
        name=name,
        is_detection=detection,
        tags=tag_ids,
        images=image_ids,
        iteration_id=iteration_id,
        published_name=published,
    )


def _entry(tag: str, tag_ids: dict[str, str], number: int, detection: bool, seed: int) -> dict[str, Any]:
    """An image of an upload."""
    name = f"{tag}-{number}.png"
    if not detection:
        data = images.sample(tag, number, seed=seed)
        return {"name": name, "contents": base64.b64encode(data).decode(), "tagIds": [tag_ids[tag]]}
    scene = images.scene(tag, number=number, seed=seed)
    regions = [
        {
            "tagId": tag_ids[box.tag],
            "left": box.left,
            "top": box.top,
            "width": box.width,
            "height": box.height,
        }
        for box in scene.boxes
    ]
    return {"name": name, "contents": base64.b64encode(scene.data).decode(), "regions": regions}


def _upload(client: ControlClient, path: str, entries: list[dict[str, Any]]) -> list[str]:
    ids = []
    for start in range(0, len(entries), _BATCH):
        body = {"images": entries[start : start + _BATCH]}
        summary = client.send("POST", f"{path}/images/files", body)
        for item in summary["images"]:
            if item["status"] not in ("OK", "OKDuplicate"):
                raise EmulatorError(207, item["status"], "a sample image was not accepted")
            ids.append(item["image"]["id"])
    return ids


def _train(client: ControlClient, path: str, timeout: float) -> str:
    iteration = client.send("POST", f"{path}/train")
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE_SECONDS
    while iteration["status"] not in ("Completed", "Failed"):
        if time.monotonic() > deadline:
            raise EmulatorError(0, "", f"the training was still {iteration['status']} after {timeout} s")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        iteration = client.send("GET", f"{path}/iterations/{segment(iteration['id'])}")
    if iteration["status"] == "Failed":
        reason = iteration.get("trainingErrorDetails") or "without a reason"
        raise EmulatorError(200, "Failed", f"the training failed: {reason}")
    return str(iteration["id"])
