"""Near-duplicate images: copies that were re-encoded, scaled, mirrored, slightly cropped or brightened.

Thumbnails are kept in the feature cache. Candidate pairs are the images with the most similar layout of
colours, also after mirroring. One image of a pair is aligned with the other, and their similarity is the
correlation of fine details: the differences from the surroundings. Other images of similar objects share
light and shade at a coarse scale, but not the details.

Features of networks and perceptual hashes distinguish copies from other images of the same object less well;
docs/insight.md has the figures. NumPy and Pillow alone.

Letters of shapes: P pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.concurrency import processor_count
from emulator.vision.duplicates.align import align, detail_correlation, downscaled
from emulator.vision.imaging.decode import ImageRejected, resize_to_square
from emulator.vision.imaging.feature_cache import FeatureCache
from emulator.vision.imaging.image_file import ImageFile, read_image_file

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# Pairs of lower similarity are not reported.
MIN_SIMILARITY = 0.6
DEFAULT_SIMILARITY = 0.8

_SIDE = 64
_COLOURS = 8
_VIEW = f"thumbnail@{_SIDE}"
# Numbers of a thumbnail: its grey pixels, and the mean colours of 8 x 8 fields.
_WIDTH = _SIDE**2 + 3 * _COLOURS**2
# Number of candidates of each image, and of mirrored ones; their colours have at least this correlation.
_CANDIDATES = 8
_MIN_COLOUR_CORRELATION = 0.65
# A pair is dropped if its correlation is lower, after alignment at a quarter or half of the thumbnail's size.
_MIN_AT_A_QUARTER, _MIN_AT_HALF = 0.65, 0.75
# ... or if the correlation of its details is lower then: the last steps cost most and gain little.
_MIN_BEFORE_LAST_STEPS = 0.35
_STEPS = (10, 6, 4)
_AT_A_TIME = 256
# A pair takes 1 MB while it is compared.
_PAIRS_AT_A_TIME = 128
# Progress at the end of the thumbnails.
_THUMBNAILS = 0.6
# Images of a lower contrast (standard deviation of grey, 0..255) are not compared.
_MIN_CONTRAST = 1.0


def find_near_duplicates(
    images: Sequence[ImageFile],
    cache_folder: Path,
    progress: Callable[[float, str], None],
    *,
    is_candidate: Callable[[NDArray[numpy.int64]], NDArray[numpy.bool_]] | None = None,
) -> list[tuple[int, int, float, bool]]:
    """Find pairs of near-duplicates. Runs in a worker process.

    Images that cannot be read, or have a single colour, are in no pair. Time grows with the number of images
    (0.01 to 0.02 s of a processor for each); the search for candidates is quadratic, with a few seconds for
    10,000 images.

    Args:
        cache_folder: of the feature cache.
        progress: called with the share that is done, 0..1, and the name of the step.
        is_candidate: which of some pairs (P, 2) of indexes are compared at all, (P,); None: all.

    Returns:
        For each pair the indexes of both images, the smaller first; their similarity (MIN_SIMILARITY to 1);
        and whether one is mirrored. In the order of the indexes.
    """
    import numpy

    thumbnails = _thumbnails(images, cache_folder, lambda done: progress(done * _THUMBNAILS, "Thumbnails"))
    grey = thumbnails[:, : _SIDE**2].reshape(len(images), _SIDE, _SIDE)
    colours = thumbnails[:, _SIDE**2 :].reshape(len(images), _COLOURS, _COLOURS, 3)
    usable = numpy.zeros(len(images), bool)
    for begin in range(0, len(images), _AT_A_TIME):
        some = slice(begin, begin + _AT_A_TIME)
        usable[some] = grey[some].astype(numpy.float32).std(axis=(1, 2)) >= _MIN_CONTRAST
    best: dict[tuple[int, int], tuple[float, bool]] = {}
    batches = [
        (pairs[begin : begin + _PAIRS_AT_A_TIME], mirrored)
        for mirrored in (False, True)
        for pairs in [_candidates(colours, usable, mirrored, is_candidate)]
        for begin in range(0, len(pairs), _PAIRS_AT_A_TIME)
    ]
    with ThreadPoolExecutor(processor_count(), thread_name_prefix="comparing") as pool:
        compared = pool.map(lambda batch: _similarities(grey, *batch), batches)
        for number, ((pairs, mirrored), similarities) in enumerate(zip(batches, compared, strict=True)):
            for (first, second), similarity in zip(pairs.tolist(), similarities.tolist(), strict=True):
                if similarity >= max(MIN_SIMILARITY, best.get((first, second), (0.0, False))[0]):
                    best[first, second] = similarity, mirrored
            progress(_THUMBNAILS + (number + 1) / len(batches) * (1 - _THUMBNAILS), "Comparing images")
    progress(1.0, "Done")
    return [(*pair, min(1.0, similarity), mirrored) for pair, (similarity, mirrored) in sorted(best.items())]


def _thumbnails(
    images: Sequence[ImageFile], cache_folder: Path, progress: Callable[[float], None]
) -> NDArray[numpy.float16]:
    """The thumbnails, (images, `_WIDTH`), 0..255; zeros for images that cannot be read."""
    import numpy

    rows = numpy.zeros((len(images), _WIDTH), numpy.float16)
    with FeatureCache(cache_folder) as cache:
        missing: list[int] = []
        for begin in range(0, len(images), _AT_A_TIME):
            some = range(begin, min(begin + _AT_A_TIME, len(images)))
            known = cache.get(_VIEW, [images[place].key for place in some], _WIDTH)
            for place in some:
                if (row := known.get(images[place].key)) is not None:
                    rows[place] = row
                else:
                    missing.append(place)
        done = len(images) - len(missing)
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="thumbnails") as pool:
            for some_missing in _chunks(missing):
                made = list(pool.map(_thumbnail, [images[place] for place in some_missing]))
                for place, row in zip(some_missing, made, strict=True):
                    if row is not None:
                        rows[place] = row
                cache.put(
                    (_VIEW, images[place].key, row)
                    for place, row in zip(some_missing, made, strict=True)
                    if row is not None
                )
                done += len(some_missing)
                progress(done / len(images))
    return rows


def _chunks(indexes: list[int]) -> Iterator[list[int]]:
    for begin in range(0, len(indexes), 64):
        yield indexes[begin : begin + 64]


def _thumbnail(image: ImageFile) -> NDArray[numpy.float16] | None:
    import numpy

    try:
        pixels = resize_to_square(read_image_file(image), _SIDE)
    except (ImageRejected, OSError):
        return None
    exact = pixels.astype(numpy.float32)
    grey = exact @ numpy.array([0.299, 0.587, 0.114], numpy.float32)
    field = _SIDE // _COLOURS
    colours = exact.reshape(_COLOURS, field, _COLOURS, field, 3).mean(axis=(1, 3))
    return numpy.concatenate([grey.ravel(), colours.ravel()]).astype(numpy.float16)


def _candidates(
    colours: NDArray[numpy.float16],
    usable: NDArray[numpy.bool_],
    mirrored: bool,
    is_candidate: Callable[[NDArray[numpy.int64]], NDArray[numpy.bool_]] | None,
) -> NDArray[numpy.int64]:
    """Pairs (P, 2) of indexes, the smaller first, in order: for each image those with the highest
    correlation that are candidates."""
    import numpy

    def directions(fields: NDArray[numpy.float16]) -> NDArray[numpy.float32]:
        flat = fields.reshape(len(fields), _COLOURS**2, 3).astype(numpy.float32)
        flat = (flat - flat.mean(axis=1, keepdims=True)).reshape(len(fields), 3 * _COLOURS**2)
        lengths = numpy.linalg.norm(flat, axis=1, keepdims=True)
        result: NDArray[numpy.float32] = flat / numpy.maximum(lengths, 1e-6) * usable[:, None]
        return result

    plain = directions(colours)
    others = directions(colours[:, :, ::-1]) if mirrored else plain
    count = len(colours)
    most = min(_CANDIDATES, count - 1)
    found = [numpy.empty((0, 2), numpy.int64)]
    for begin in range(0, count if most > 0 else 0, _AT_A_TIME):
        rows = numpy.arange(begin, min(begin + _AT_A_TIME, count))
        correlations = plain[rows] @ others.T
        correlations[numpy.arange(len(rows)), rows] = -1.0
        nearest = numpy.argpartition(-correlations, most - 1, axis=1)[:, :most]
        near = numpy.take_along_axis(correlations, nearest, 1) >= _MIN_COLOUR_CORRELATION
        found.append(numpy.stack([numpy.repeat(rows, most), nearest.ravel()], axis=1)[near.ravel()])
    pairs: NDArray[numpy.int64] = numpy.unique(numpy.sort(numpy.concatenate(found), axis=1), axis=0)
    return pairs if is_candidate is None else pairs[is_candidate(pairs)]


def _similarities(
    grey: NDArray[numpy.float16], pairs: NDArray[numpy.int64], mirrored: bool
) -> NDArray[numpy.float64]:
    """The similarity of each pair (P,); 0 for dropped pairs."""
    import numpy

    fixed = grey[pairs[:, 0]].astype(numpy.float32)
    moved = grey[pairs[:, 1]].astype(numpy.float32)
    if mirrored:
        moved = moved[:, :, ::-1]
    result = numpy.zeros(len(pairs))
    left = numpy.arange(len(pairs))
    transforms = numpy.zeros((len(pairs), 4), numpy.float32)
    levels = (
        (downscaled(downscaled(fixed)), downscaled(downscaled(moved)), _MIN_AT_A_QUARTER),
        (downscaled(fixed), downscaled(moved), _MIN_AT_HALF),
    )
    for (some, others, least), steps in zip(levels, _STEPS, strict=False):
        correlation, transforms = align(some[left], others[left], transforms, steps)
        kept = correlation >= least
        left, transforms = left[kept], transforms[kept]
        if not len(left):
            return result
    kept = detail_correlation(fixed[left], moved[left], transforms) >= _MIN_BEFORE_LAST_STEPS
    left, transforms = left[kept], transforms[kept]
    if len(left):
        _, transforms = align(fixed[left], moved[left], transforms, _STEPS[-1])
        result[left] = detail_correlation(fixed[left], moved[left], transforms)
    return result
