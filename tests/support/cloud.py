"""A small resource of the service, with the parts of the training API that a pull reads."""

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.images import picture

KEY = "c0ffee00c0ffee00c0ffee00c0ffee00"
SIGNATURE = "sig=secret%2Fsignature"
GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"


class Request(NamedTuple):
    """A request to the resource. query: the first value of each parameter."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Reply(NamedTuple):
    """A response. drop: the connection ends without one."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = {}  # noqa: RUF012  (never changed)
    drop: bool = False


Figures = Callable[[str | None, float], tuple[float, float, float]]
Interrupt = Callable[[Request], Reply | None]


def guid(number: int) -> str:
    return str(uuid.UUID(int=number, version=4))


class Cloud:
    """The resource, with one project. Tests change its attributes.

    Attributes:
        interrupt: may answer a request instead of the resource.
        figures: precision, recall and average precision of a tag (or of all, None) at a threshold.
        signature: without which images are refused; a new one is given out from then on.
        classification_type: of the project, and of new iterations.
        relative: URIs of images have no host, as with a virtual network.
    """

    def __init__(self, images: int = 5, domain: str = GENERAL) -> None:
        self.id = guid(1)
        self.tags = [_tag(guid(100), "red"), _tag(guid(101), "blue")]
        self.files: dict[str, bytes] = {}
        self.images: list[dict[str, Any]] = []
        self.iterations: list[dict[str, Any]] = []
        self.views: dict[str, list[dict[str, Any]]] = {}
        self.evaluated: dict[str, list[dict[str, Any]]] = {}
        self.predictions: list[dict[str, Any]] = []
        self.exports: dict[str, list[dict[str, Any]]] = {}
        self.former_names: dict[str, str] = {}  # of tags, in performance
        self.domain = domain
        self.classification_type = "Multilabel"
        self.modified = 1
        self.signature = SIGNATURE
        self.figures: Figures = lambda tag_id, threshold: (threshold, 1.0, 0.5)
        self.relative = False
        self.interrupt: Interrupt = lambda request: None
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        for number in range(images):
            self.add(number)

    # Content

    def add(self, number: int, **more: Any) -> dict[str, Any]:
        image = {
            "id": guid(1000 + number),
            "created": f"2020-11-06T16:15:{number // 1000:02}.{number % 1000:03}1",
            "width": 48,
            "height": 36,
            "tags": [
                {"tagId": self.tags[0]["id"], "tagName": "red", "created": "2020-11-06T16:16:00.5"},
            ],
            **more,
        }
        self.images.append(image)
        self.files[image["id"]] = picture(number)
        self.modified += 1
        return image

    def iterate(self, **more: Any) -> dict[str, Any]:
        """A completed iteration of the images as they are, which evaluates the first of them."""
        number = len(self.iterations) + 1
        iteration = {
            "id": guid(500 + number),
            "name": f"Iteration {number}",
            "status": "Completed",
            "created": f"2020-11-0{number}T18:00:00.740Z",
            "lastModified": f"2020-11-0{number}T18:10:00.740Z",
            "trainedAt": f"2020-11-0{number}T18:09:00.740Z",
            "projectId": self.id,
            "exportable": False,
            "exportableTo": None,
            "domainId": self.domain,
            "classificationType": self.classification_type,
            "trainingType": "Regular",
            "reservedBudgetInHours": 0,
            "trainingTimeInMinutes": 1,
            "publishName": None,
            "originalPublishResourceId": None,
            "customBaseModelInfo": None,
            "trainingErrorDetails": None,
            **more,
        }
        self.iterations.append(iteration)
        self.views[iteration["id"]] = json.loads(json.dumps(self.images))
        self.evaluated[iteration["id"]] = [
            {
                **self.images[0],
                "predictions": [prediction(self.tags[0], 0.75), prediction(self.tags[1], 0.25)],
            }
        ]
        return iteration

    def export(self, iteration: dict[str, Any], content: bytes, platform: str = "ONNX") -> None:
        """Add a finished export of an iteration; its file is `content`."""
        iteration["exportable"] = True
        known = self.exports.setdefault(iteration["id"], [])
        shown = {"platform": platform, "status": "Done", "flavor": None, "newerVersionAvailable": False}
        known.append(shown)
        self.files[iteration["id"]] = content

    def predict(self, number: int) -> dict[str, Any]:
        item = {
            "id": guid(2000 + number),
            "project": self.id,
            "iteration": guid(501),
            "domain": self.domain,
            "created": f"2026-11-06T18:23:{number:02}.123Z",
            "predictions": [prediction(self.tags[0], 0.5)],
        }
        self.predictions.append(item)
        self.files[item["id"]] = picture(number, "green")
        return item

    # The server

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"cloud": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def fetched(self) -> Counter[str]:
        """How often the file of each image was requested."""
        return Counter(
            request.path.rpartition("/")[2] for request in self.requests if request.path.startswith("/file/")
        )

    def calls(self, ending: str) -> int:
        """The number of requests to the API whose paths have this end."""
        return sum(request.path.endswith(ending) for request in self.requests)

    def reply(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
        interrupted = self.interrupt(request)
        if interrupted is not None:
            return interrupted
        if request.path.startswith("/file/"):
            return self._file(request)
        if request.headers.get("training-key") != KEY:
            return error(401, "401", "Access denied due to invalid subscription key or wrong API endpoint.")
        value = self._answer(request)
        if value is None:
            return Reply(404, b'{"code": "NotFound", "message": "Resource not found"}')
        return Reply(body=value if isinstance(value, bytes) else json.dumps(value).encode())

    def _file(self, request: Request) -> Reply:
        if request.query.get("sig") != unquote(self.signature.removeprefix("sig=")):
            return Reply(403, b"<Error>AuthenticationFailed</Error>")
        content = self.files.get(request.path.rpartition("/")[2])
        return Reply(404, b"") if content is None else Reply(body=content)

    def _answer(self, request: Request) -> Any:
        path = request.path.partition("/training/")[2]
        of_project = path.removeprefix(f"projects/{self.id}").strip("/")
        view = self.views.get(request.query.get("iterationId", ""), self.images)
        match path, of_project.split("/"):
            case "projects", _:
                return [self._project()]
            case "domains", _:
                return [
                    {"id": GENERAL, "type": "Classification"},
                    {"id": DETECTION, "type": "ObjectDetection"},
                ]
            case _, [""]:
                return self._project()
            case _, ["tags"]:
                return self.tags
            case _, ["images", "count"]:
                return len(view)
            case _, ["images", "tagged", "count"]:
                return sum("tags" in image for image in view)
            case _, ["images", "untagged", "count"]:
                return sum("tags" not in image for image in view)
            case _, ["images"]:
                return [self._shown(image) for image in _page(view, request)]
            case _, ["images", "id"]:
                ids = request.query["imageIds"].split(",")
                return [self._shown(image) for image in view if image["id"] in ids]
            case _, ["iterations"]:
                return self.iterations
            case _, ["iterations", _, "performance"]:
                threshold = float(request.query.get("threshold", 0.5))
                return self._performance(threshold)
            case _, ["iterations", id, "performance", "images", "count"]:
                return len(self.evaluated[id])
            case _, ["iterations", id, "performance", "images"]:
                return _page(self.evaluated[id], request)
            case _, ["iterations", id, "export"]:
                uri = f"{self.endpoint}/file/{id}?{self.signature}"
                return [{**export, "downloadUri": uri} for export in self.exports.get(id, [])]
            case _, ["predictions", "query"]:
                return {
                    "token": {"continuation": None},
                    "results": [self._shown(p) for p in self.predictions],
                }
            case _, ["artifacts"]:
                return self.files[request.query["path"].rpartition("/")[2]]
        return None

    def _project(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": "cloud",
            "description": "all there is",
            "settings": {
                "domainId": self.domain,
                "classificationType": self.classification_type,
                "targetExportPlatforms": [],
                "useNegativeSet": True,
                "detectionParameters": None,
                "imageProcessingSettings": {"augmentationMethods": {"rotation": True}},
                "exportModelContainerUri": f"https://storage.test/container?{SIGNATURE}",
            },
            "created": "2020-11-06T16:00:00.740Z",
            "lastModified": f"2020-11-06T16:00:00.{self.modified % 1000:03}Z",
            "thumbnailUri": f"{self.endpoint}/file/thumbnail?{SIGNATURE}",
            "drModeEnabled": False,
            "status": "Succeeded",
        }

    def _shown(self, image: dict[str, Any]) -> dict[str, Any]:
        uri = (
            f"/file/{image['id']}"
            if self.relative
            else f"{self.endpoint}/file/{image['id']}?{self.signature}"
        )
        return {**image, "resizedImageUri": uri, "thumbnailUri": uri, "originalImageUri": uri}

    def _performance(self, threshold: float) -> dict[str, Any]:
        def figures(tag_id: str | None) -> dict[str, float]:
            precision, recall, average_precision = self.figures(tag_id, threshold)
            return {
                "precision": precision,
                "precisionStdDeviation": 0.0,
                "recall": recall,
                "recallStdDeviation": 0.0,
                "averagePrecision": average_precision,
            }

        names = {tag["id"]: tag["name"] for tag in self.tags} | self.former_names
        per_tag = [{"id": tag["id"], "name": names[tag["id"]], **figures(tag["id"])} for tag in self.tags]
        return {"perTagPerformance": per_tag, **figures(None)}


def error(status: int, code: str, message: str) -> Reply:
    return Reply(status, json.dumps({"error": {"code": code, "message": message}}).encode())


def prediction(tag: dict[str, Any], probability: float) -> dict[str, Any]:
    return {"probability": probability, "tagId": tag["id"], "tagName": tag["name"], "tagType": "Regular"}


def _tag(id: str, name: str) -> dict[str, Any]:
    return {"id": id, "name": name, "description": None, "type": "Regular", "imageCount": 0}


def _page(items: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    skip, take = int(request.query["skip"]), int(request.query["take"])
    assert request.query["orderBy"] == "Oldest"
    return items[skip : skip + take]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # one packet for head and body: a second one would wait for an acknowledgement
    cloud: Cloud

    def do_GET(self) -> None:
        self._respond("GET")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._respond("POST")

    def _respond(self, method: str) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.cloud.reply(Request(method, parts.path, query, headers))
        if reply.drop:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is logged."""
