"""Write a data folder by the code of an earlier version and pack it, with all that a client could read of it.

    git worktree add ../earlier COMMIT
    python tests/upgrades/make_archive.py ../earlier tests/upgrades/archives/SCHEMA.tar.xz

The test helpers of that version run its server in this process. Classifiers are trained by its own code, on
the first layers of its network (`short_training`); detectors are replaced by small models, since a real one
is larger than an archive may be. This is not part of the test suite. `README.md` has the commits.
"""

import base64
import importlib
import importlib.util
import io
import json
import random
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

_CHECKOUT, _ARCHIVE = (Path(argument).resolve() for argument in sys.argv[1:3])
_HERE = Path(__file__).parent
# The modules of the checkout, not those beside this script.
sys.path[:] = [str(_CHECKOUT), *(path for path in sys.path if Path(path).resolve() != _HERE)]

from PIL import Image, ImageDraw  # noqa: E402

_DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
_COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
_RESOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/custom-vision-emulator"
    "/providers/Microsoft.CognitiveServices/accounts/prediction"
)
_COLORS = {"red": (200, 40, 40), "blue": (50, 60, 200), "green": (40, 180, 60), "grey": (120, 120, 120)}
_LARGEST_ARCHIVE = 200_000


def image(number: int, color: str, size: tuple[int, int] = (48, 36)) -> bytes:
    """A JPEG of this color with rectangles; another one for each number."""
    chance = random.Random(f"{number} {color}")
    shown = Image.new("RGB", size, _COLORS[color])
    draw = ImageDraw.Draw(shown)
    for _ in range(4):
        left, top = chance.randrange(size[0] - 9), chance.randrange(size[1] - 9)
        tint = tuple(value + chance.randrange(-30, 30) for value in _COLORS[color])
        draw.rectangle((left, top, left + chance.randrange(1, 9), top + chance.randrange(1, 9)), fill=tint)
    file = io.BytesIO()
    shown.save(file, "JPEG", quality=90)
    return file.getvalue()


class Writer:
    """Writes into a running service of the checkout."""

    def __init__(self, service: Any, contents: Any) -> None:
        self.service = service
        self.contents = contents
        self.stored: dict[str, Any] = {}

    def post(self, path: str, **more: Any) -> Any:
        return self.contents.post(self.service.request, path, **more)

    def project(self, name: str, **parameters: str) -> str:
        made = self.post("/projects", params={"name": name, "description": f"About {name}", **parameters})
        return f"/projects/{made['id']}"

    def tag(self, project: str, name: str, **parameters: str) -> str:
        return str(self.post(f"{project}/tags", params={"name": name, **parameters})["id"])

    def upload(self, project: str, images: list[bytes], *tags: str, **more: Any) -> list[str]:
        """more: further fields of the body, if the version knows them."""
        body = {
            "images": [
                {"name": f"image{number}", "contents": base64.b64encode(data).decode()}
                for number, data in enumerate(images)
            ],
            "tagIds": list(tags),
        }
        path = f"{self.contents.TRAINING}{project}/images/files"
        response = self.service.request("POST", path, json=body | more)
        if response.status_code != 200:
            response = self.service.request("POST", path, json=body)
        assert response.status_code == 200, response.text
        return [item["image"]["id"] for item in response.json()["images"]]

    def train(self, project: str) -> str:
        iteration = self.post(f"{project}/train")
        self.service.finish_trainings()
        return f"{project}/iterations/{iteration['id']}"

    def publish(self, iteration: str, name: str) -> None:
        assert self.post(f"{iteration}/publish", params={"publishName": name, "predictionId": _RESOURCE})

    def predict(self, project: str, name: str, kind: str, images: list[bytes]) -> None:
        """Store predictions."""
        for data in images:
            result = self.contents.predict(self.service.request, project, kind, name, data, store=True)
            self.stored[result["id"]] = {
                "project": project,
                "created": result["created"],
                "predictions": self.contents.prediction_of(result),
                "image": base64.b64encode(data).decode(),
            }

    def write(self) -> None:
        self._classification("classification", "Multiclass", _COMPACT)
        self._classification("several tags", "Multilabel", "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31")
        self._detection()
        self._waiting()

    def _classification(self, name: str, kind: str, domain: str) -> None:
        project = self.project(name, classificationType=kind, domainId=domain)
        tags = {color: self.tag(project, color, description=f"It is {color}") for color in ("red", "blue")}
        for color, tag in tags.items():
            ids = self.upload(project, [image(number, color) for number in range(6)], tag)
        if kind == "Multilabel":
            self.upload(project, [image(number, "green") for number in range(5)], *tags.values())
        else:
            negative = self.tag(project, "none", type="Negative")
            self.upload(project, [image(number, "green") for number in range(5)], negative)
        self.upload(project, [image(0, "grey")], metadata={"source": "camera 1"})
        first = self.train(project)
        self.publish(first, "first")
        # Another revision: an image less, and two more.
        self.upload(project, [image(7, "red"), image(8, "red", (80, 20))], tags["red"])
        path = f"{self.contents.TRAINING}{project}/images"
        response = self.service.request("DELETE", path, params={"imageIds": ids[0]})
        assert response.status_code in (202, 204), response.text
        second = self.train(project)
        self.publish(second, "second")
        self.predict(project, "first", "classify", [image(20, "red"), image(21, "blue")])
        self.predict(project, "second", "classify", [image(22, "grey")])

    def _detection(self) -> None:
        project = self.project("objects", domainId=_DETECTION)
        tags = [self.tag(project, name) for name in ("apple", "pear")]
        ids = self.upload(project, [image(number, "green") for number in range(15)])
        box = {"top": 0.2, "width": 0.3, "height": 0.4}
        regions = [
            {"imageId": image_id, "tagId": tag, "left": 0.1 + 0.01 * number, **box}
            for number, image_id in enumerate(ids)
            for tag in tags
        ]
        path = f"{self.contents.TRAINING}{project}/images/regions"
        response = self.service.request("POST", path, json={"regions": regions})
        if response.json().get("code") == "BadRequestNotSupported":  # the first version only classified
            return
        assert response.status_code == 200, response.text
        self.upload(project, [image(0, "grey")])
        iteration = self.train(project)
        self.publish(iteration, "first")
        self.predict(project, "first", "detect", [image(20, "red"), image(21, "blue")])

    def _waiting(self) -> None:
        """A project whose training has not started."""
        project = self.project("waiting", classificationType="Multiclass")
        for color in ("red", "blue"):
            tag = self.tag(project, color)
            self.upload(project, [image(number, color) for number in range(5)], tag)
        self.post(f"{project}/train")


def _service(data: Path, train_classifier: Any) -> Any:
    if (_CHECKOUT / "tests" / "support" / "harness.py").exists():
        harness = importlib.import_module("tests.support.harness")
        quick = importlib.import_module("emulator.vision.classification.train")
        stubs = importlib.import_module("tests.support.stub_trainer")
        trainings = getattr(stubs, "TRAININGS", None)
        if trainings is None:
            trainings = importlib.import_module("tests.support.fakes")._STUBS
        trainings[quick.train_classifier] = train_classifier
    else:
        harness = importlib.import_module("tests.harness")
        stubs = importlib.import_module("tests.standin")
        setattr(
            stubs, "train_classifier" if hasattr(stubs, "train_classifier") else "train", train_classifier
        )
    return harness.Service(importlib.import_module("emulator.settings").Settings(data=data))


def _beside(name: str) -> Any:
    """A module beside this script."""
    spec = importlib.util.spec_from_file_location(name, _HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    contents, short_training = _beside("contents"), _beside("short_training")
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data"
        service = _service(data, short_training.trainer(Path(temporary) / "features"))
        writer = Writer(service, contents)
        writer.write()
        probes = [image(30, "red"), image(31, "blue"), image(32, "grey", (60, 90))]
        expected = {
            "probes": [base64.b64encode(probe).decode() for probe in probes],
            "projects": contents.read(service.request, probes),
            "stored": writer.stored,
        }
        service.end()
        (Path(temporary) / "expected.json").write_text(json.dumps(expected), "utf-8")
        with tarfile.open(_ARCHIVE, "w:xz", preset=9) as archive:
            for name in ("data", "expected.json"):
                archive.add(Path(temporary) / name, name, filter=_anonymous)
    size = _ARCHIVE.stat().st_size
    print(f"{_ARCHIVE.name}: {size} bytes, {', '.join(expected['projects'])}")
    assert size <= _LARGEST_ARCHIVE


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "features" in entry.name.split("/") or entry.name.endswith(".log"):
        return None
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
