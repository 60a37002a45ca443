"""Features of pictures: what a frozen pretrained network says about each, computed once and cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from emulator.vision.classification.feature_cache import FeatureCache
from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.imaging.decode import ImageRejected, resize_to_square
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_SAVED_TOGETHER = 64


class Picture(Protocol):
    """A file and the SHA-256 of its bytes in hexadecimal."""

    @property
    def path(self) -> str: ...
    @property
    def key(self) -> str: ...


@dataclass(frozen=True)
class Features:
    """What the network said, by key: `plain` of each picture, `mirrored` of its mirror image if asked for."""

    plain: Mapping[str, NDArray[numpy.floating]]
    mirrored: Mapping[str, NDArray[numpy.floating]] = field(default_factory=dict)


def compute_features(
    pictures: Sequence[Picture],
    *,
    backbone: str,
    resolution: int,
    mirror: bool,
    cache_folder: Path,
    progress: Callable[[float], None],
    session: InferenceSession | None = None,
) -> Features:
    """Features of all pictures, from the cache where it has them.

    Each thread decodes a picture and runs the network on it alone: on a CPU that is faster than batches,
    needs little memory, and gives the same numbers as scoring does later. Pictures that cannot be read or
    decoded are left out.

    Args:
        progress: called with the share that is done, 0..1. What it raises ends the work.
        session: a network that is none of the pretrained ones; `backbone` is then a name of its own for the
            cache.

    Raises:
        BaseWeightsMissing: the network cannot be had.
    """
    session = session or backbone_session(backbone, resolution)
    width = session.get_outputs()[0].shape[1]
    views = _views(backbone, resolution)
    wanted = (False, True) if mirror else (False,)

    runner = session

    def compute(picture: Picture) -> dict[bool, NDArray[numpy.float16]]:
        try:
            pixels = resize_to_square(Path(picture.path).read_bytes(), resolution)
        except (ImageRejected, OSError):
            return {}
        shown = {False: pixels, True: pixels[:, ::-1]}
        return {flipped: _features_of(runner, shown[flipped]) for flipped in wanted}

    with FeatureCache(cache_folder) as cache:
        keys = [picture.key for picture in pictures]
        found = {flipped: cache.get(views[flipped], keys, width) for flipped in wanted}
        missing = [each for each in pictures if any(each.key not in found[flipped] for flipped in wanted)]
        done = len(pictures) - len(missing)
        unsaved: list[tuple[str, str, NDArray[numpy.float16]]] = []
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="features") as pool:
            for picture, result in ordered(pool, compute, missing):
                for flipped, vector in result.items():
                    found[flipped][picture.key] = vector
                    unsaved.append((views[flipped], picture.key, vector))
                if len(unsaved) >= _SAVED_TOGETHER:
                    cache.put(unsaved)
                    unsaved.clear()
                done += 1
                progress(done / len(pictures))
        cache.put(unsaved)
    complete = [key for key in keys if all(key in found[flipped] for flipped in wanted)]
    return Features(*({key: found[flipped][key] for key in complete} for flipped in wanted))


def seconds_for_features(
    pictures: Sequence[Picture],
    *,
    backbone: str,
    mirror: bool,
    cache_folder: Path,
    session: InferenceSession,
    clock: Callable[[], float],
) -> float:
    """How long `compute_features` will take on this machine, as it is now; decoding is left out.

    Args:
        clock: seconds since some moment.
    """
    import numpy

    _, resolution, _, _ = session.get_inputs()[0].shape
    width = session.get_outputs()[0].shape[1]
    keys = [picture.key for picture in pictures]
    views = _views(backbone, resolution)
    with FeatureCache(cache_folder) as cache:
        known = [
            set(cache.get(views[flipped], keys, width)) for flipped in ((False, True) if mirror else (False,))
        ]
    runs = sum(len(keys) - len(of_view) for of_view in known)
    if not runs:
        return 0.0
    picture = numpy.zeros((resolution, resolution, 3), numpy.uint8)
    _features_of(session, picture)  # the first run is slower than all others
    started = clock()
    _features_of(session, picture)
    return (clock() - started) * runs / processor_count()


@lru_cache(maxsize=2)
def backbone_session(backbone: str, resolution: int) -> InferenceSession:
    """The network from picture to features, ready to run, one thread a run.

    Raises:
        BaseWeightsMissing: the network cannot be had.
    """
    from emulator.vision.onnx_runtime import inference_session

    return inference_session(onnx_bytes(backbone_network(backbone, resolution), {}), threads=1)


def _views(backbone: str, resolution: int) -> dict[bool, str]:
    """Names in the cache of pictures as they are, and mirrored."""
    return {False: f"{backbone}@{resolution}", True: f"{backbone}@{resolution} mirrored"}


def _features_of(session: InferenceSession, pixels: NDArray[numpy.uint8]) -> NDArray[numpy.float16]:
    import numpy

    (features,) = session.run(None, {"image": numpy.ascontiguousarray(pixels)[None]})
    vector: NDArray[numpy.float16] = features[0].astype(numpy.float16)
    return vector
