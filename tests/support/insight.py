"""Trained iterations of every type of project, and requests for insight into them."""

from typing import Any

from tests.support.detection import detection_project, marked_images, region, upload
from tests.support.harness import Service, expect
from tests.support.images import pictures

PATHS = (
    "confusionMatrix",
    "confusionMatrix/images",
    "confusionMatrix/images/count",
    "precisionRecallCurve",
    "calibrationCurve",
)
CELL = {"actual": "none", "predicted": "none"}


class Insight:
    """A trained iteration of a project, and requests for insight into it."""

    def __init__(self, service: Service, project: str) -> None:
        self.service, self.project = service, project
        self.iteration = service.train(project)
        self.tags = {tag["name"]: tag["id"] for tag in service.get(f"{project}/tags")}

    def send(self, what: str, **parameters: Any) -> Any:
        return self.service.request("GET", f"/_emulator{self.iteration}/{what}", params=parameters)

    def get(self, what: str, **parameters: Any) -> Any:
        return expect(self.send(what, **parameters))

    def images(self, **parameters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("confusionMatrix/images", **parameters)
        count = self.get("confusionMatrix/images/count", **parameters)
        assert count == len(found)
        return found

    def figures(self, **parameters: Any) -> Any:
        return self.service.get(f"{self.iteration}/performance", params=parameters)


def multiclass(service: Service) -> Insight:
    """Three tags, one of which is only partly distinguishable from another."""
    project = service.project(classificationType="Multiclass")
    red, blue, mixed = (service.tag(project, name) for name in ("red", "blue", "mixed"))
    service.images(project, pictures(10, "red"), red)
    service.images(project, pictures(10, "blue"), blue)
    service.images(project, pictures(4, "red", start=40) + pictures(4, "green", start=40), mixed)
    return Insight(service, project)


def multilabel(service: Service) -> Insight:
    project = service.project(classificationType="Multilabel")
    red, blue, odd = (service.tag(project, name) for name in ("red", "blue", "odd"))
    service.images(project, pictures(6, "red"), red)
    service.images(project, pictures(6, "blue"), blue)
    service.images(project, pictures(5, "red", start=40), red, odd)
    return Insight(service, project)


def detector(service: Service) -> Insight:
    """The stand-in detects the mean box of both tags in every image, which is correct for the actual tag."""
    project = detection_project(service)
    here, there = service.tag(project, "here"), service.tag(project, "there")
    marked_images(service, project, pictures(15, "red"), here)
    for start in (0, 10):
        some = pictures(10 if start == 0 else 5, "blue", start=start)
        expect(upload(service, project, some, *[[region(there, (0.3, 0.55, 0.125, 0.25))] for _ in some]))
    return Insight(service, project)
