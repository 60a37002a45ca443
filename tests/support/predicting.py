"""Stored predictions: a project with predictions, and queries."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from emulator.core.new_prediction import NewPrediction
from emulator.core.scored_rows import prediction_rows
from tests.support.harness import NOWHERE, Service, expect
from tests.support.images import picture

INVALID = "BadRequestPredictionInvalidQueryParameters"
NO_BLOB = "0" * 64
GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"


def query(service: Service, project: str, **body: Any) -> dict[str, Any]:
    response: dict[str, Any] = service.post(f"{project}/predictions/query", json=body)
    return response


def found(service: Service, project: str, **body: Any) -> list[str]:
    return [item["id"] for item in query(service, project, **body)["results"]]


def refused_query(service: Service, project: str, **body: Any) -> tuple[int, str]:
    return service.refused("POST", f"{project}/predictions/query", json=body)[:2]


def pages(service: Service, project: str, **body: Any) -> list[list[str]]:
    """The ids of all pages; each query is the token of the previous response."""
    listed, token = [], body
    while True:
        response = query(service, project, **token)
        listed.append([item["id"] for item in response["results"]])
        token = response["token"]
        if token["continuation"] is None:
            return listed


class Predicted:
    """A trained, published project and predictions made with it."""

    def __init__(self, service: Service, **parameters: str) -> None:
        self.service = service
        self.project, self.red, self.blue = service.trainable(**parameters)
        self.iteration = service.train(self.project)
        self.address = service.publish(self.iteration)
        self.number = 100

    def predict(self, colour: str = "red", **parameters: str) -> str:
        """The id of a prediction, one second after the previous one."""
        self.service.clock.advance(seconds=1)
        self.number += 1
        response = self.service.predict(self.address, picture(self.number, colour), params=parameters)
        return str(expect(response)["id"])


def insert(service: Service, project: str, rows: list[dict[str, Any]]) -> list[str]:
    """Insert rows of stored predictions without their images; returns their ids."""
    ids = [service.context.ids.new() for _ in rows]
    with service.context.database.write() as session:
        for prediction_id, row in zip(ids, rows, strict=True):
            values = {
                "id": prediction_id,
                "project_id": project.rpartition("/")[2],
                "iteration_id": NOWHERE,
                "created": service.clock.now(),
                "blob": NO_BLOB,
                "predictions": [],
                "domain_id": GENERAL,
            }
            prediction_rows.add(service.context, session, [NewPrediction(**(values | row))])
    return ids


def fetch(service: Service, uri: str) -> httpx.Response:
    parts = urlsplit(uri)
    return service.request("GET", f"{parts.path}?{parts.query}", key=None)
