"""Features of whole images, for maps and for orders by diversity: those that trainings compute and cache.

Axes: N images, F features, D dimensions after the reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.features import compute_features, training_views
from emulator.vision.concurrency import processor_count
from emulator.vision.image_map.layout import arranged, reduced
from emulator.vision.image_map.order import Order, diverse_order
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.imaging.feature_cache import FeatureCache
from emulator.vision.imaging.image_file import ImageFile, read_image_file
from emulator.vision.instant.features import FEATURE_COUNT, image_features
from emulator.vision.recipes.recipes import ClassifierRecipe, recipe_for_domain

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_VIEW = "statistics@224"
_AT_A_TIME = 64
# Progress at the end of the features.
_FEATURES = 0.7


def map_images(
    images: Sequence[ImageFile],
    cache_folder: Path,
    domain_id: str | None,
    known: Mapping[str, NDArray[numpy.int16]],
    progress: Callable[[float, str], None],
) -> NDArray[numpy.float32]:
    """The places of images in a map, (N, 2), 0..1; NaN for those that cannot be read. Runs in a worker.

    Args:
        cache_folder: of the feature cache.
        domain_id: of classification, whose network computes the features; None for statistics of colors and
            shapes, which need no network.
        known: statistics of images that are already there, by key.
        progress: called with the share that is done, 0..1, and the name of the step.
    """
    import numpy

    readable, features = _features(images, cache_folder, domain_id, known, progress)
    places = numpy.full((len(images), 2), numpy.nan, numpy.float32)
    places[readable] = arranged(
        reduced(features), lambda done: progress(_FEATURES + done * (1 - _FEATURES), "Arranging images")
    )
    progress(1.0, "Done")
    return places


def order_images(
    images: Sequence[ImageFile],
    cache_folder: Path,
    domain_id: str | None,
    known: Mapping[str, NDArray[numpy.int16]],
    progress: Callable[[float, str], None],
) -> Order:
    """The order of images by diversity. Runs in a worker process. Arguments are those of `map_images`."""
    readable, features = _features(images, cache_folder, domain_id, known, progress)
    found = diverse_order(reduced(features), [images[place].key for place in readable.tolist()])
    progress(1.0, "Done")
    return found.spread(len(images), readable)


def _features(
    images: Sequence[ImageFile],
    cache_folder: Path,
    domain_id: str | None,
    known: Mapping[str, NDArray[numpy.int16]],
    progress: Callable[[float, str], None],
) -> tuple[NDArray[numpy.int64], NDArray[numpy.float32]]:
    """The indexes of the images that can be read, ascending, and their features."""
    import numpy

    def done(share: float) -> None:
        progress(share * _FEATURES, "Features")

    by_key: Mapping[str, NDArray[numpy.number]]
    if domain_id is None:
        by_key = _statistics(images, cache_folder, known, done)
    else:
        recipe = recipe_for_domain(ClassifierRecipe, domain_id)
        view, *_ = training_views(recipe, len(images))
        by_key = compute_features(
            images,
            backbone=recipe.backbone,
            resolution=recipe.resolution,
            views=(view,),
            cache_folder=cache_folder,
            progress=done,
        ).plain
    readable = [place for place, image in enumerate(images) if image.key in by_key]
    rows = [by_key[images[place].key] for place in readable]
    width = len(rows[0]) if rows else FEATURE_COUNT
    stacked = numpy.array(rows, numpy.float32).reshape(len(rows), width)
    return numpy.array(readable, numpy.int64), stacked


def _statistics(
    images: Sequence[ImageFile],
    cache_folder: Path,
    known: Mapping[str, NDArray[numpy.int16]],
    progress: Callable[[float], None],
) -> dict[str, NDArray[numpy.number]]:
    import numpy

    # Rounded as in the cache, so that the result does not depend on where they are from.
    found: dict[str, NDArray[numpy.number]] = {
        key: features.astype(numpy.float16) for key, features in known.items()
    }
    with FeatureCache(cache_folder) as cache:
        keys = [image.key for image in images if image.key not in found]
        found.update(cache.get(_VIEW, keys, FEATURE_COUNT))
        missing = [image for image in images if image.key not in found]
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="statistics") as pool:
            for begin in range(0, len(missing), _AT_A_TIME):
                some = missing[begin : begin + _AT_A_TIME]
                made = {
                    image.key: row
                    for image, row in zip(some, pool.map(_statistics_of, some), strict=True)
                    if row is not None
                }
                cache.put((_VIEW, key, row) for key, row in made.items())
                found.update(made)
                progress((len(images) - len(missing) + begin + len(some)) / len(images))
    return found


def _statistics_of(image: ImageFile) -> NDArray[numpy.float16] | None:
    import numpy

    try:
        return image_features(read_image_file(image)).astype(numpy.float16)
    except (ImageRejected, OSError):
        return None
