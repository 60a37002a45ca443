"""A client of test sets and comparisons."""

import base64
from collections.abc import Sequence
from typing import Any

import httpx

from emulator.store.tables import JobKind
from tests.support.harness import Service, expect


class Sets:
    """The test sets of a project, given by its path."""

    def __init__(self, service: Service, project: str) -> None:
        self.service, self.project = service, project

    def send(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        return self.service.request(method, f"/_emulator{self.project}/testSets{path}", **more)

    def get(self, path: str = "", **parameters: Any) -> Any:
        return expect(self.send("GET", path, params=parameters))

    def create(self, name: str = "held out") -> str:
        """The path of a new test set below those of the project."""
        return f"/{expect(self.send('POST', json={'name': name}), 201)['id']}"

    def add(self, path: str, images: Sequence[bytes], **more: Any) -> list[dict[str, Any]]:
        """Add images that have the same labels; what became of them."""
        entries = [
            {"name": f"{number}.png", "contents": base64.b64encode(data).decode(), **more}
            for number, data in enumerate(images)
        ]
        return self.add_entries(path, *entries)

    def add_entries(self, path: str, *entries: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        response = self.send("POST", f"{path}/images", json={"images": list(entries), **more})
        assert response.status_code in (200, 207), response.text
        body = response.json()
        assert body["isBatchSuccessful"] == (response.status_code == 200)
        found: list[dict[str, Any]] = body["images"]
        return found

    def request(self, path: str, *iterations: str) -> list[dict[str, Any]]:
        """Request evaluations of iterations, given by their paths."""
        body = {"iterationIds": [iteration.rsplit("/", 1)[1] for iteration in iterations]}
        found: list[dict[str, Any]] = expect(self.send("POST", f"{path}/evaluations", json=body), 202)
        return found

    def run_waiting(self) -> None:
        self.service.runner(JobKind.EVALUATION).run_waiting()

    def evaluate(self, path: str, *iterations: str) -> list[dict[str, Any]]:
        """The evaluations of iterations, which must succeed."""
        self.request(path, *iterations)
        self.run_waiting()
        found: list[dict[str, Any]] = self.get(f"{path}/evaluations")
        assert {item["status"] for item in found} == {"Completed"}, found
        return found

    def result(self, path: str, iteration: str, what: str = "", **parameters: Any) -> Any:
        return self.get(f"{path}/evaluations/{iteration.rsplit('/', 1)[1]}{what}", **parameters)


def by_name(items: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Per-tag items by the name of the tag."""
    return {item["tagName"]: item for item in items}
