"""Scripts of predictions, and projects whose predictions are scripted."""

from typing import Any

from tests.support.detection import detection_project, marked_images
from tests.support.harness import Service, expect
from tests.support.images import picture, pictures

SCRIPTS = "/_emulator/predictionScripts"
OCTETS = {"Content-Type": "application/octet-stream"}
BOX = {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4}


def scripted(service: Service, *predictions: dict[str, Any], **script: Any) -> dict[str, Any]:
    """A new script, as the response has it."""
    response = service.request("POST", SCRIPTS, json={"predictions": list(predictions), **script})
    made: dict[str, Any] = expect(response, 201)
    return made


def likely(tag: str, probability: float) -> dict[str, Any]:
    return {"tagName": tag, "probability": probability}


def boxed(tag: str, probability: float, **box: float) -> dict[str, Any]:
    return {"tagName": tag, "probability": probability, "boundingBox": {**BOX, **box}}


def seen(response: Any) -> list[tuple[str, float]]:
    return [(item["tagName"], item["probability"]) for item in expect(response)["predictions"]]


class Published:
    """A published classifier of the tags red and blue."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.project, self.red, self.blue = service.trainable()
        self.iteration = service.train(self.project)
        self.address = service.publish(self.iteration, "live")
        self.project_id = self.project.rpartition("/")[2]
        self.iteration_id = self.iteration.rpartition("/")[2]

    def predict(self, data: bytes | None = None, suffix: str = "/image") -> list[tuple[str, float]]:
        return seen(self.service.predict(self.address, data or picture(70), suffix))

    def quick_test(self, data: bytes | None = None, **more: Any) -> list[tuple[str, float]]:
        parameters = {"iterationId": self.iteration_id, **more}
        return seen(
            self.service.send(
                "POST",
                f"{self.project}/quicktest/image",
                params=parameters,
                content=data or picture(70),
                headers=OCTETS,
            )
        )


class Detector(Published):
    """A published detector of the tags car and bus."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.project = detection_project(service)
        self.bus, self.car = service.tag(self.project, "bus"), service.tag(self.project, "car")
        marked_images(service, self.project, pictures(15, "red"), self.car)
        marked_images(service, self.project, pictures(15, "blue"), self.bus)
        self.iteration = service.train(self.project)
        self.address = service.publish(self.iteration, "live", "detect")
        self.project_id = self.project.rpartition("/")[2]
        self.iteration_id = self.iteration.rpartition("/")[2]
