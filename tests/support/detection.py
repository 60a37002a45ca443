"""A detection project and the steps of its client."""

from collections.abc import Sequence
from typing import Any

from emulator.store.tables import Iteration, Project
from tests.support.harness import Service, files_body

GENERAL = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
Coordinates = tuple[float, float, float, float]
WHOLE: Coordinates = (0, 0, 1, 1)


def detection_project(service: Service, **parameters: str) -> str:
    return service.project("boxes", domainId=GENERAL, **parameters)


def region(tag: str, box: Coordinates = (0.25, 0.5, 0.125, 0.25)) -> dict[str, Any]:
    return {"tagId": tag, **dict(zip(("left", "top", "width", "height"), box, strict=True))}


def on(image: str, tag: str, box: Coordinates = (0.25, 0.5, 0.125, 0.25)) -> dict[str, Any]:
    return {"imageId": image, **region(tag, box)}


def small_boxes(count: int, start: int = 0) -> list[Coordinates]:
    """Distinct boxes."""
    return [
        ((number % 32) / 32, (number // 32) / 32, 1 / 64, 1 / 64) for number in range(start, start + count)
    ]


def create(service: Service, project: str, *entries: dict[str, Any], status: int = 200) -> dict[str, Any]:
    response = service.send("POST", f"{project}/images/regions", json={"regions": list(entries)})
    assert response.status_code == status, response.text
    summary: dict[str, Any] = response.json()
    assert list(summary) == ["created", "duplicated", "exceeded"]
    return summary


def delete(service: Service, project: str, *ids: str) -> None:
    service.delete(f"{project}/images/regions", params={"regionIds": ",".join(ids)})


def upload(service: Service, project: str, images: Sequence[bytes], *regions: list[dict[str, Any]]) -> Any:
    """The response to an upload from files with regions."""
    body = files_body(images)
    for entry, of_image in zip(body["images"], regions, strict=True):
        entry["regions"] = of_image
    return service.send("POST", f"{project}/images/files", json=body)


def marked_images(service: Service, project: str, images: Sequence[bytes], tag: str) -> list[str]:
    """The ids of new images, each with one region of `tag`."""
    items = upload(service, project, images, *[[region(tag)] for _ in images]).json()["images"]
    assert {item["status"] for item in items} == {"OK"}
    return [item["image"]["id"] for item in items]


def image(service: Service, project: str, image_id: str, **parameters: str) -> dict[str, Any]:
    """An image as lists show it."""
    (found,) = service.get(f"{project}/images/id", params={"imageIds": image_id, **parameters})
    result: dict[str, Any] = found
    return result


def boxes_of(
    service: Service, project: str, image_id: str, **parameters: str
) -> list[tuple[str, Coordinates]]:
    """Tags and coordinates of an image's regions, in their order."""
    return [
        (item["tagId"], (item["left"], item["top"], item["width"], item["height"]))
        for item in image(service, project, image_id, **parameters).get("regions", [])
    ]


def tags_of(service: Service, project: str, image_id: str, **parameters: str) -> set[str]:
    return {tag["tagId"] for tag in image(service, project, image_id, **parameters).get("tags", [])}


def freeze(service: Service, project: str) -> str:
    """The id of an iteration of the current workspace, inserted without a training."""
    project_id, now = project.rpartition("/")[2], service.clock.now()
    with service.context.database.write() as session:
        row = session.get(Project, project_id)
        assert row is not None
        iteration = Iteration(
            id=service.context.ids.new(),
            project_id=project_id,
            number=row.next_iteration,
            name=f"Iteration {row.next_iteration}",
            status="Completed",
            created=now,
            last_modified=now,
            trained_at=now,
            revision=row.revision,
            domain_id=row.domain_id,
            classification_type=row.classification_type,
        )
        row.next_iteration += 1
        session.add_all((row, iteration))
    return iteration.id
