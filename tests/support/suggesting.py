"""Suggestions: a project with untagged images, and queries."""

from collections.abc import Sequence
from typing import Any

from emulator.core.scored_rows.scores import TagProbability, uncertainty
from tests.support.harness import Service, expect
from tests.support.images import picture

INVALID = "BadRequestPredictionInvalidQueryParameters"
GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
ASCENDING, DESCENDING = "UncertaintyAscending", "UncertaintyDescending"
VERSIONS = ("v3.1", "v3.2", "v3.3", "v3.4-preview")


class Suggesting:
    """A trained project of two tags, with untagged images."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.project, self.red, self.blue = service.trainable()
        self.iteration = service.train(self.project).rpartition("/")[2]
        self.images = service.images(
            self.project,
            [picture(100, "red"), picture(101, "green"), picture(102, "blue"), picture(103, "grey")],
        )

    def send(self, *image_ids: str, **more: Any) -> Any:
        parameters = {"iterationId": self.iteration, "imageIds": ",".join(image_ids)} | more.pop("params", {})
        return self.service.send(
            "POST", f"{self.project}/tagsandregions/suggestions", params=parameters, **more
        )

    def suggest(self, *image_ids: str, **more: Any) -> list[dict[str, Any]]:
        response: list[dict[str, Any]] = expect(self.send(*(image_ids or self.images), **more))
        return response

    def query(self, **body: Any) -> dict[str, Any]:
        response: dict[str, Any] = expect(self.asked("", body))
        return response

    def asked(self, suffix: str, body: dict[str, Any], **more: Any) -> Any:
        parameters = more.pop("params", {"iterationId": self.iteration})
        path = f"{self.project}/images/suggested{suffix}"
        return self.service.send("POST", path, params=parameters, json=body, **more)

    def found(self, **body: Any) -> list[str]:
        return [item["id"] for item in self.query(**body)["results"]]

    def count(self, **body: Any) -> dict[str, int]:
        response: dict[str, int] = expect(self.asked("/count", body))
        return response

    def kept(self) -> int:
        return len(self.service.rows("SELECT number FROM suggestion"))


def best(item: dict[str, Any]) -> str:
    return str(item["predictions"][0]["tagId"])


def by_uncertainty(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in sorted(items, key=lambda item: item["predictionUncertainty"])]


def unsure(item: dict[str, Any]) -> float:
    """The uncertainty of the predictions in a response."""
    return uncertainty(
        [TagProbability("", "", "", prediction["probability"]) for prediction in item["predictions"]]
    )
