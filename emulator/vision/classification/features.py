"""Features of images: the output of a frozen pretrained network, computed once and cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.feature_cache import FeatureCache
from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.imaging.decode import ImageRejected, resize_to_square
from emulator.vision.imaging.image_file import ImageFile, read_image_file
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_ROWS_PER_SAVE = 64


@dataclass(frozen=True)
class Features:
    """Features by key: `plain` of each image, `mirrored` of its mirror image if requested."""

    plain: Mapping[str, NDArray[numpy.floating]]
    mirrored: Mapping[str, NDArray[numpy.floating]] = field(default_factory=dict)


def compute_features(
    images: Sequence[ImageFile],
    *,
    backbone: str,
    resolution: int,
    mirror: bool,
    cache_folder: Path,
    progress: Callable[[float], None],
    session: InferenceSession | None = None,
) -> Features:
    """Features of all images, from the cache where it has them.

    Each thread decodes one image and runs the network on it: on a CPU that is faster than batches, needs
    little memory, and gives the same results as scoring. Images that cannot be read or decoded are skipped.

    Args:
        progress: called with the fraction that is done, 0..1. Its exceptions end the work.
        session: a network that is not bundled; `backbone` is then its unique name in the cache.

    Raises:
        BaseWeightsMissing: the network is not installed.
    """
    session = session or backbone_session(backbone, resolution)
    width = session.get_outputs()[0].shape[1]
    views = _views(backbone, resolution)
    wanted = (False, True) if mirror else (False,)

    runner = session

    def compute(image: ImageFile) -> dict[bool, NDArray[numpy.float16]]:
        try:
            pixels = resize_to_square(read_image_file(image), resolution)
        except (ImageRejected, OSError):
            return {}
        shown = {False: pixels, True: pixels[:, ::-1]}
        return {flipped: _features_of(runner, shown[flipped]) for flipped in wanted}

    with FeatureCache(cache_folder) as cache:
        keys = [image.key for image in images]
        found = {flipped: cache.get(views[flipped], keys, width) for flipped in wanted}
        missing = [each for each in images if any(each.key not in found[flipped] for flipped in wanted)]
        done = len(images) - len(missing)
        unsaved: list[tuple[str, str, NDArray[numpy.float16]]] = []
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="features") as pool:
            for image, result in ordered(pool, compute, missing):
                for flipped, vector in result.items():
                    found[flipped][image.key] = vector
                    unsaved.append((views[flipped], image.key, vector))
                if len(unsaved) >= _ROWS_PER_SAVE:
                    cache.put(unsaved)
                    unsaved.clear()
                done += 1
                progress(done / len(images))
        cache.put(unsaved)
    complete = [key for key in keys if all(key in found[flipped] for flipped in wanted)]
    return Features(*({key: found[flipped][key] for key in complete} for flipped in wanted))


def seconds_for_features(
    images: Sequence[ImageFile],
    *,
    backbone: str,
    mirror: bool,
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
    views = _views(backbone, resolution)
    with FeatureCache(cache_folder) as cache:
        known = [
            set(cache.get(views[flipped], keys, width)) for flipped in ((False, True) if mirror else (False,))
        ]
    runs = sum(len(keys) - len(of_view) for of_view in known)
    if not runs:
        return 0.0
    image = numpy.zeros((resolution, resolution, 3), numpy.uint8)
    _features_of(session, image)  # the first run is slower than all others
    started = clock()
    _features_of(session, image)
    return (clock() - started) * runs / processor_count()


@lru_cache(maxsize=2)
def backbone_session(backbone: str, resolution: int) -> InferenceSession:
    """A session of the network from image to features, one thread per run.

    Raises:
        BaseWeightsMissing: the network is not installed.
    """
    from emulator.vision.onnx_runtime import inference_session

    return inference_session(onnx_bytes(backbone_network(backbone, resolution), {}), threads=1)


def _views(backbone: str, resolution: int) -> dict[bool, str]:
    """Names of the views in the cache: plain, and mirrored."""
    return {False: f"{backbone}@{resolution}", True: f"{backbone}@{resolution} mirrored"}


def _features_of(session: InferenceSession, pixels: NDArray[numpy.uint8]) -> NDArray[numpy.float16]:
    import numpy

    (features,) = session.run(None, {"image": numpy.ascontiguousarray(pixels)[None]})
    vector: NDArray[numpy.float16] = features[0].astype(numpy.float16)
    return vector
