"""Roll-outs: a project with a published iteration and a newer one, and the requests of a client."""

from typing import Any

from tests.support.harness import RESOURCE_ID, Service, expect, refusal
from tests.support.images import picture, pictures


class RolledOut:
    """A project whose name ``live`` has the iteration `first`; `second` also knows the tag green."""

    def __init__(self, service: Service, **parameters: str) -> None:
        self.service = service
        self.project, _, _ = service.trainable(**parameters)
        self.path = f"/_emulator{self.project}/rollouts"
        self.first_path = service.train(self.project)
        self.address = service.publish(self.first_path, "live")
        service.images(self.project, pictures(5, "green"), service.tag(self.project, "green"))
        self.second_path = service.train(self.project)
        self.first, self.second = (path.rpartition("/")[2] for path in (self.first_path, self.second_path))

    def call(self, method: str, end: str = "", /, **body: Any) -> Any:
        """The state of the name after a request that succeeds."""
        content = {"publishName": "live", **body}
        response = self.service.request(method, self.path + end, json=content)
        return expect(response, 201 if (method, end) == ("POST", "") else 200)

    def refused(self, method: str, end: str = "", /, **body: Any) -> tuple[int, str, str]:
        content = {"publishName": "live", **body}
        return refusal(self.service.request(method, self.path + end, json=content))

    def start(self, **body: Any) -> Any:
        return self.call("POST", iterationId=self.second, **body)

    def state(self) -> Any:
        """The state of the name, after all images have been compared."""
        self.service.context.spare_work.wait()
        (name,) = expect(self.service.request("GET", self.path, params={"publishName": "live"}))
        return name

    def publish(self, iteration_path: str, name: str = "live") -> None:
        parameters = {"publishName": name, "predictionId": RESOURCE_ID, "overwrite": "true"}
        self.service.post(f"{iteration_path}/publish", params=parameters)

    def answering(self, number: int = 300, colour: str = "red", **more: Any) -> str:
        """The iteration that answers a request."""
        response = self.service.predict(self.address, picture(number, colour), "/image/nostore", **more)
        return str(expect(response)["iteration"])
