"""Features of images: the output of a frozen pretrained network, computed once and cached."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.fit import Fit
from emulator.vision.imaging.decode import ImageRejected, resize_to_square
from emulator.vision.imaging.feature_cache import FeatureCache
from emulator.vision.imaging.image_file import ImageFile, read_image_file
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network
from emulator.vision.recipes.recipes import ClassifierRecipe
from emulator.vision.training.budget import Budget
from emulator.vision.training.pieces import Outside

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_ROWS_PER_SAVE = 64
# Trainings of more images use the stretched view of one image in three for models that crop images, to save
# time. `models/defaults.md` has the cost in accuracy.
_STRETCHED_UP_TO, _STRETCHED_ONE_IN = 5000, 3


@dataclass(frozen=True)
class Features:
    """Features by key: `plain` of each image as in scoring, `augmented` of images that have a second view."""

    plain: Mapping[str, NDArray[numpy.floating]]
    augmented: Mapping[str, NDArray[numpy.floating]] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """How images are presented to a network.

    Attributes:
        one_in: the view is used for one in this many images, chosen by their keys.
    """

    fit: Fit = "stretch"
    mirrored: bool = False
    one_in: int = 1

    def includes(self, key: str) -> bool:
        return zlib.crc32(key.encode()) % self.one_in == 0

    def name(self, backbone: str, resolution: int) -> str:
        """The name in the cache of features."""
        fit = "" if self.fit == "stretch" else f" {self.fit}"
        return f"{backbone}@{resolution}{fit}{' mirrored' if self.mirrored else ''}"


PLAIN, MIRRORED = View(), View(mirrored=True)


def training_views(recipe: ClassifierRecipe, image_count: int) -> tuple[View, ...]:
    """The views that a training of this many images uses; the first is that of scoring.

    The second view of cropped images is also mirrored: it replaces the mirror image of the crop, so that a
    small training takes no longer. The largest trainings use it for some images only.
    """
    if recipe.fit != "stretch":
        one_in = 1 if image_count <= _STRETCHED_UP_TO else _STRETCHED_ONE_IN
        return (View(recipe.fit), View(mirrored=True, one_in=one_in))
    return (PLAIN, MIRRORED) if image_count <= recipe.mirror_up_to else (PLAIN,)


def compute_features(
    images: Sequence[ImageFile],
    *,
    backbone: str,
    resolution: int,
    views: tuple[View, ...],
    cache_folder: Path,
    progress: Callable[[float], None],
    session: InferenceSession | None = None,
) -> Features:
    """Features of all images, from the cache where it has them.

    Each thread decodes one image and runs the network on it: on a CPU that is faster than batches, needs
    little memory, and gives the same results as scoring. Images that cannot be read or decoded are skipped.

    Args:
        views: one or two; the first includes all images.
        progress: called with the fraction that is done, 0..1. Its exceptions end the work.
        session: a network that is not bundled; `backbone` is then its unique name in the cache.

    Raises:
        BaseWeightsMissing: the network is not installed.
    """
    session = session or backbone_session(backbone, resolution)
    width = session.get_outputs()[0].shape[1]
    names = {view: view.name(backbone, resolution) for view in views}
    keys = [image.key for image in images]
    runner = session

    def compute(work: tuple[ImageFile, list[View]]) -> dict[View, NDArray[numpy.float16]]:
        image, wanted = work
        # Each fit is decoded separately: its features do not depend on the other views that are wanted.
        pixels: dict[Fit, NDArray[numpy.uint8]] = {}
        try:
            data = read_image_file(image)
            for view in wanted:
                if view.fit not in pixels:
                    pixels[view.fit] = resize_to_square(data, resolution, view.fit)
        except (ImageRejected, OSError):
            return {}
        return {
            view: _features_of(runner, pixels[view.fit][:, ::-1] if view.mirrored else pixels[view.fit])
            for view in wanted
        }

    with FeatureCache(cache_folder) as cache:
        found = {view: cache.get(names[view], keys, width) for view in views}
        missing = _missing_views(keys, views, found)
        incomplete = [(image, missing[image.key]) for image in images if missing[image.key]]
        done = len(images) - len(incomplete)
        unsaved: list[tuple[str, str, NDArray[numpy.float16]]] = []
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="features") as pool:
            for (image, _), result in ordered(pool, compute, incomplete):
                for view, vector in result.items():
                    found[view][image.key] = vector
                    unsaved.append((names[view], image.key, vector))
                if len(unsaved) >= _ROWS_PER_SAVE:
                    cache.put(unsaved)
                    unsaved.clear()
                done += 1
                progress(done / len(images))
        cache.put(unsaved)
    unreadable = _missing_views(keys, views, found)
    complete = [key for key in keys if not unreadable[key]]
    return Features(*({key: found[view][key] for key in complete if view.includes(key)} for view in views))


def seconds_for_features(
    images: Sequence[ImageFile],
    *,
    backbone: str,
    views: tuple[View, ...],
    cache_folder: Path,
    session: InferenceSession,
    clock: Callable[[], float],
) -> float:
    """Estimated duration of `compute_features` in seconds, without decoding.

    Args:
        clock: returns seconds, from any origin.
    """
    import numpy

    _, resolution, _, _ = session.get_inputs()[0].shape
    width = session.get_outputs()[0].shape[1]
    keys = [image.key for image in images]
    with FeatureCache(cache_folder) as cache:
        known = {view: cache.get(view.name(backbone, resolution), keys, width) for view in views}
    runs = sum(map(len, _missing_views(keys, views, known).values()))
    if not runs:
        return 0.0
    image = numpy.zeros((resolution, resolution, 3), numpy.uint8)
    _features_of(session, image)  # the first run is slower than all others
    started = clock()
    _features_of(session, image)
    return (clock() - started) * runs / processor_count()


@dataclass(frozen=True)
class FeatureWork:
    """What `compute_features` of several networks have in common."""

    images: Sequence[ImageFile]
    views: tuple[View, ...]
    cache_folder: Path


@dataclass(frozen=True)
class ComputedOutside:
    """Features that another machine has computed."""

    features: Features


def compute_features_outside(
    shared: FeatureWork, network: tuple[str, int], outside: Outside
) -> ComputedOutside:
    """`compute_features` of a bundled network at an input size, in another process.

    Raises:
        OutOfTime: it takes longer than `outside.seconds`.
    """
    budget = Budget(outside.seconds)
    backbone, resolution = network
    features = compute_features(
        shared.images,
        backbone=backbone,
        resolution=resolution,
        views=shared.views,
        cache_folder=shared.cache_folder,
        progress=lambda done: budget.check(),
    )
    return ComputedOutside(features)


def keep_features(work: FeatureWork, network: tuple[str, int], features: Features) -> None:
    """Store the features of another machine in the cache."""
    rows = [
        (view.name(*network), key, vector.astype("<f2"))
        for view, vectors in zip(work.views, (features.plain, features.augmented), strict=False)
        for key, vector in vectors.items()
    ]
    with FeatureCache(work.cache_folder) as cache:
        cache.put(rows)


@lru_cache(maxsize=2)
def backbone_session(backbone: str, resolution: int) -> InferenceSession:
    """A session of the network from image to features, one thread per run.

    Raises:
        BaseWeightsMissing: the network is not installed.
    """
    from emulator.vision.onnx_runtime import inference_session

    return inference_session(onnx_bytes(backbone_network(backbone, resolution), {}), threads=1)


def _missing_views(
    keys: Sequence[str], views: tuple[View, ...], found: Mapping[View, Mapping[str, object]]
) -> dict[str, list[View]]:
    """The views of each image whose features are not in `found`."""
    return {key: [view for view in views if view.includes(key) and key not in found[view]] for key in keys}


def _features_of(session: InferenceSession, pixels: NDArray[numpy.uint8]) -> NDArray[numpy.float16]:
    import numpy

    (features,) = session.run(None, {"image": numpy.ascontiguousarray(pixels)[None]})
    vector: NDArray[numpy.float16] = features[0].astype(numpy.float16)
    return vector
