"""The process of `since`, for checkouts of any age: nothing of the test kit or of `bench` is used.

Arguments: data folder, an image. Each line of standard input, ``["case", requests]``, is answered by a line
with the processor time of each request in microseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from emulator.app import create_app
from emulator.settings import (
    DEFAULT_PREDICTION_KEYS,
    DEFAULT_PREDICTION_RESOURCE_ID,
    DEFAULT_TRAINING_KEYS,
    Settings,
)

_TRAINING = "/customvision/v3.4-preview/training/projects"
_PREDICTION = "/customvision/v3.1/prediction"
# As an official client sends them.
_HEADERS = {
    "host": "127.0.0.1",
    "training-key": DEFAULT_TRAINING_KEYS[0],
    "prediction-key": DEFAULT_PREDICTION_KEYS[0],
    "user-agent": "python-requests/2.32 msrest/0.7.1 azure-cognitiveservices-vision-customvision/3.1.1",
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
}


class _Service:
    """The application of a data folder, called without a network."""

    def __init__(self, data: Path, image: bytes) -> None:
        self.app = create_app(Settings(data=data))
        self.image = image
        self.project = ""
        self.tag = ""

    async def send(self, method: str, target: str, body: bytes = b"") -> Any:
        path, _, query = target.partition("?")
        headers = dict(_HEADERS)
        if method != "GET":
            headers |= {"content-length": str(len(body)), "content-type": "application/octet-stream"}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        received, status = b"", 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            nonlocal received, status
            status = message.get("status", status)
            received += message.get("body", b"")

        await self.app(scope, receive, send)
        assert status < 300, (method, target, status, received)
        return json.loads(received) if received else None

    async def prepare(self) -> None:
        """Find the project, or create one with 20 images and a published iteration."""
        projects = await self.send("GET", _TRAINING)
        if projects:
            self.project = f"{_TRAINING}/{projects[0]['id']}"
            self.tag = (await self.send("GET", f"{self.project}/tags"))[0]["id"]
            return
        made = await self.send("POST", f"{_TRAINING}?name=bench")
        self.project = f"{_TRAINING}/{made['id']}"
        for name in ("one", "two"):
            tag = (await self.send("POST", f"{self.project}/tags?name={name}"))["id"]
            for number in range(10):
                image = self.image + f"{name}{number}".encode()
                await self.send("POST", f"{self.project}/images?tagIds={tag}", image)
        iteration = await self.send("POST", f"{self.project}/train")
        target = f"{self.project}/iterations/{iteration['id']}"
        while iteration["status"] != "Completed":
            assert iteration["status"] == "Training", iteration
            await asyncio.sleep(0.05)
            iteration = await self.send("GET", target)
        resource = quote(DEFAULT_PREDICTION_RESOURCE_ID)
        await self.send("POST", f"{target}/publish?publishName=now&predictionId={resource}")

    async def perform(self, case: str) -> None:
        if case == "GET a project":
            await self.send("GET", self.project)
        elif case == "GET a tag":
            await self.send("GET", f"{self.project}/tags/{self.tag}")
        elif case == "GET the images":
            await self.send("GET", f"{self.project}/images?take=10&skip=0")
        elif case == "GET a count of images":
            await self.send("GET", f"{self.project}/images/count")
        elif case == "create and delete a tag":
            tag = await self.send("POST", f"{self.project}/tags?name=three")
            await self.send("DELETE", f"{self.project}/tags/{tag['id']}")
        else:
            name = self.project.rpartition("/")[2]
            target = f"{_PREDICTION}/{name}/classify/iterations/now/image/nostore"
            await self.send("POST", target, self.image)


async def _serve(data: Path, image: Path, read_line: Callable[[], str]) -> None:
    service = _Service(data, image.read_bytes())
    parts = service.app.state.parts
    parts.start()
    try:
        await service.prepare()
        print("[]", flush=True)
        while line := read_line():
            case, requests = json.loads(line)
            samples = []
            for _ in range(requests):
                started = time.process_time()
                await service.perform(case)
                samples.append(round((time.process_time() - started) * 1e6, 1))
            print(json.dumps(samples), flush=True)
    finally:
        parts.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), Path(sys.argv[2]), sys.stdin.readline))
