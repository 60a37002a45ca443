"""Exports and imports of projects between two emulators."""

import hashlib
from collections.abc import Callable
from typing import Any

from emulator.core.transfer import export as project_exports
from emulator.store.tables import JobKind
from tests.support.harness import Service
from tests.support.images import picture, pictures
from tests.support.web_servers import Server, Visit

DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
INVALID = (400, "BadRequestInvalidImportToken", "Invalid Token")


class Elsewhere:
    """Another emulator, in this process, behind a socket."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.server = Server(self.answer)
        self.break_off: Callable[[Visit, bytes], None] | None = None

    def answer(self, visit: Visit) -> None:
        response = self.service.send_unvalidated("GET", visit.path)
        if self.break_off is not None and project_exports.DATA in visit.path:
            self.break_off(visit, response.content)
        else:
            head = f"HTTP/1.1 {response.status_code} Said\nContent-Length: {len(response.content)}"
            visit.send(head, response.content)

    def token(self, project: str) -> str:
        exported = self.service.get(f"{project}/export", headers={"Host": self.server.allow})
        return str(exported["token"])


def run_imports(service: Service) -> None:
    service.runner(JobKind.IMPORT).run_waiting()


def start_import(service: Service, token: str, **more: str) -> str:
    """The path of the project of an import that has started."""
    made = service.post("/projects/import", params={"token": token, **more})
    assert made["status"] == "Importing"
    return f"/projects/{made['id']}"


def imported(service: Service, token: str) -> str:
    project = start_import(service, token)
    run_imports(service)
    assert service.get(project)["status"] == "Succeeded"
    return project


def content(service: Service, project: str, view: str = "") -> dict[str, Any]:
    """The content of a project as a client sees it, without ids: tags, and images by their bytes."""
    query = f"?iterationId={view}" if view else ""
    tags = {tag["id"]: tag for tag in service.get(f"{project}/tags{query}")}
    images = []
    for image in service.get(
        f"{project}/images", params={"take": "256", **({"iterationId": view} if view else {})}
    ):
        data = service.send_unvalidated(
            "GET", image["originalImageUri"].removeprefix("http://emulator.localhost")
        ).content
        images.append(
            {
                "bytes": hashlib.sha256(data).hexdigest(),
                "tags": [tags[item["tagId"]]["name"] for item in image.get("tags", [])],
                "regions": [
                    (item["tagName"], item["left"], item["top"], item["width"], item["height"])
                    for item in image.get("regions", [])
                ],
                **{key: image.get(key) for key in ("created", "width", "height", "metadata")},
            }
        )
    facts = sorted((tag["name"], tag["description"], tag["type"], tag["imageCount"]) for tag in tags.values())
    return {"tags": facts, "images": images}


def rich_project(service: Service) -> tuple[str, str]:
    """A trained project whose workspace was changed afterwards; its path and that of the iteration."""
    project, red, blue = service.trainable(description="all there is")
    iteration = service.train(project)
    gone = service.images(project, pictures(2, "green"), red)
    service.delete(f"{project}/images", params={"imageIds": gone[0]})
    service.delete(f"{project}/tags/{blue}")
    kept = service.images(project, [picture(70, "grey")])
    service.post(f"{project}/images/metadata", params={"imageIds": kept[0]}, json={"place": "left"})
    service.tag(project, "new")
    return project, iteration


def nothing_is_left(service: Service, project: str) -> None:
    assert service.get(f"{project}/images") == service.get(f"{project}/tags") == []
    assert service.get(f"{project}/iterations") == []
    assert service.blobs() == set()
    for table in ("image", "image_tag", "region", "tag", "iteration"):
        assert service.rows(f"SELECT count(*) FROM {table}") == [(0,)], table
