"""Models of each kind as trainings store them, with the published weights and fixed heads, and real
images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest

from emulator.vision.classification import model as classifier
from emulator.vision.classification.dataset import ClassificationDataset, novel_probabilities
from emulator.vision.classification.features import backbone_session
from emulator.vision.classification.head import FEATURE_LENGTH, LinearHead
from emulator.vision.classification.novelty import NoveltyFilter
from emulator.vision.detection import results as detector
from emulator.vision.detection.calibration import PlattScaling
from emulator.vision.detection.dataset import DetectionDataset
from emulator.vision.detection.novelty import DetectorFilter
from emulator.vision.exports.formats import ExportOrder
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.networks.weights import backbone_network
from emulator.vision.recipes.recipes import ClassifierRecipe, DetectorRecipe, recipe_for_domain

COMPACT, S1 = "General (compact)", "General (compact) [S1]"
# Names that are not plain ASCII and not in alphabetical order.
LABELS = ("tasse", "Bücher, alt", "person", "猫", "orange")
# Of COCO's classes: cup, book, person, cat, orange.
_COCO = (41, 73, 0, 15, 49)
_PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
)
_LIMIT = 0.76


@dataclass(frozen=True)
class Kind:
    """A kind of exported model: its domain, by name and id, and its task."""

    name: str
    domain: str
    domain_id: str
    detection: bool = False
    multilabel: bool = False

    @property
    def yolo(self) -> bool:
        return self.detection and self.domain == COMPACT


KINDS = (
    Kind("classifier", COMPACT, "0732100f-1a38-4e49-a514-c9b44c697ab5"),
    Kind("multilabel-classifier", COMPACT, "0732100f-1a38-4e49-a514-c9b44c697ab5", multilabel=True),
    Kind("classifier-s1", S1, "a1db07ca-a19a-4830-bae8-e004a42dc863"),
    Kind("detector", COMPACT, "a27d5ca5-bb19-49d8-a70a-fec086c47f5b", detection=True),
    Kind("detector-s1", S1, "7ec2ac80-887b-48a6-8df9-8b1357765430", detection=True),
)
CREATED = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=timezone(timedelta(hours=2)))
MakeOrder = Callable[..., ExportOrder]
Expected = Callable[[Kind], Any]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture(scope="session")
def stored_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The stored model of each kind, by the kind's name."""
    folder = tmp_path_factory.mktemp("stored-models")
    paths = {}
    for each in KINDS:
        paths[each.name] = folder / f"{each.name}.onnx"
        paths[each.name].write_bytes(_detector(each) if each.detection else _classifier(each))
    return paths


@pytest.fixture(scope="session")
def make_order(stored_models: dict[str, Path]) -> MakeOrder:
    def make(kind: Kind, platform: str, flavor: str | None = None) -> ExportOrder:
        multilabel = "Multilabel" if kind.multilabel else "Multiclass"
        return ExportOrder(
            model=str(stored_models[kind.name]),
            platform=platform,
            flavor=flavor,
            domain=kind.domain,
            domain_type="ObjectDetection" if kind.detection else "Classification",
            classification_type=None if kind.detection else multilabel,
            labels=LABELS,
            project_id="5aea1d4b-5c24-4b4b-a3a4-4f1d5b5a0c4e",
            iteration_id="c7f0e2ad-6a3c-4a3f-9c5f-0c8f0b1f5f2d",
            created=CREATED,
        )

    return make


@pytest.fixture(scope="session")
def photographs() -> dict[str, bytes]:
    """Ten real images, by file name: objects, surfaces, grey images and large images."""
    return {name: _photograph(name) for name in _PHOTOGRAPHS}


@pytest.fixture(scope="session")
def expected(stored_models: dict[str, Path], photographs: dict[str, bytes]) -> Expected:
    """The results of the Prediction API for the images, by kind; see `parity.answers`."""
    from tests.vision.exports.parity import answers

    return lru_cache(lambda kind: answers(kind, stored_models[kind.name], photographs))


def without(order: ExportOrder, folder: Path, *keys: str, **others: str) -> ExportOrder:
    """The order for a model with some metadata removed or replaced."""
    model = onnx.load(order.model)
    kept = {entry.key: entry.value for entry in model.metadata_props if entry.key not in keys}
    onnx.helper.set_model_props(model, {**kept, **others})
    (folder / "changed.onnx").write_bytes(model.SerializeToString())
    return replace(order, model=str(folder / "changed.onnx"))


def exported_date() -> str:
    """`CREATED` in the format of manifests."""
    return CREATED.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


def _photograph(name: str) -> bytes:
    return (resources.files("skimage") / "data" / name).read_bytes()


def _classifier(kind: Kind) -> bytes:
    random = numpy.random.default_rng(len(kind.name))
    # Twice as large as in trained heads, for more distinct probabilities.
    weight = random.normal(size=(1280, len(LABELS))) / FEATURE_LENGTH
    head = LinearHead(weight, random.normal(size=len(LABELS)))
    dataset = ClassificationDataset((), LABELS, kind.multilabel)
    recipe = recipe_for_domain(ClassifierRecipe, kind.domain_id)
    backbone = backbone_network(recipe.backbone, recipe.resolution)
    known = classifier.classifying_network(
        backbone, head, multilabel=kind.multilabel, roots=not kind.multilabel
    )
    # Most of the photographs are like these, some are not, and some are between.
    session = backbone_session(recipe.backbone, recipe.resolution)
    images = [_photograph(name) for name in _PHOTOGRAPHS[:7]]
    pixels = numpy.stack([resize_to_square(image, recipe.resolution, recipe.fit) for image in images])
    (references,) = session.run(None, {"image": pixels})
    references /= numpy.linalg.norm(references, axis=1, keepdims=True)
    novelty = NoveltyFilter(references, _LIMIT, numpy.zeros(0))
    network = novelty.applied(known, novel_probabilities(dataset))
    return classifier.model_bytes(dataset, network, recipe.fit)


def _detector(kind: Kind) -> bytes:
    head = {name: weight for name, weight in published_weights().items() if name.startswith("head.")}
    head |= {name: weight[list(_COCO)] for name, weight in head.items() if ".classes." in name}
    dataset = DetectionDataset((), LABELS)
    recipe = recipe_for_domain(DetectorRecipe, kind.domain_id)
    random = numpy.random.default_rng(0)
    references = random.random((3, 512)).astype(numpy.float32)
    references /= numpy.linalg.norm(references, axis=1, keepdims=True)
    novelty = DetectorFilter(references, 0.8)
    return detector.serialize_detector(dataset, recipe, head, PlattScaling(), change=novelty.applied)
