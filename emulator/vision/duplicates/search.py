"""Pictures that are nearly the same: copies that were encoded anew, scaled, mirrored, cropped a little or
made lighter.

Each picture becomes a thumbnail, kept in the feature cache. Candidates are the pictures whose colours lie
most alike, the mirrored ones too. One of a candidate pair is then moved and scaled until it fits the other
best, and how alike the two are is the correlation of their fine details: what is brighter or darker than its
surroundings. Photographs of the same kind of thing share their rough light and shade, but not these.

Networks' features and perceptual hashes were tried and tell copies from other photographs of the same thing
less well; docs/insight.md has the figures. NumPy and Pillow alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.feature_cache import FeatureCache
from emulator.vision.classification.features import Picture
from emulator.vision.concurrency import processor_count
from emulator.vision.duplicates.align import aligned, detail_correlation, halved
from emulator.vision.imaging.decode import ImageRejected, resize_to_square

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# Pairs that are less alike are not told of.
MIN_SIMILARITY = 0.6
DEFAULT_SIMILARITY = 0.8

_SIDE = 64
_COLOURS = 8
_VIEW = f"thumbnail@{_SIDE}"
# Of a thumbnail: its grey pixels, and its colours in 8 x 8 fields.
_WIDTH = _SIDE**2 + 3 * _COLOURS**2
# So many pictures are candidates for each, and as many mirrored ones, if their colours correlate so much.
_CANDIDATES = 8
_LEAST_COLOUR_CORRELATION = 0.65
# A pair is given up when it correlates less, aligned at a quarter or at half of the thumbnail's size.
_LEAST_AT_A_QUARTER, _LEAST_AT_HALF = 0.65, 0.75
# Or when, aligned so far, its details correlate less: the last steps are the dearest, and gain a little only.
_LEAST_BEFORE_LAST_STEPS = 0.35
_STEPS = (10, 6, 4)
_AT_A_TIME = 256
# Each takes a megabyte while it is compared.
_PAIRS_AT_A_TIME = 128
# The share of progress that is thumbnails.
_THUMBNAILS = 0.6
# Below this much contrast (of 255), there is nothing to compare.
_LEAST_CONTRAST = 1.0


@dataclass(frozen=True)
class StoredImage:
    """A file and the SHA-256 of its bytes in hexadecimal."""

    path: str
    key: str


def find_near_duplicates(
    pictures: Sequence[Picture], cache_folder: Path, progress: Callable[[float, str], None]
) -> list[tuple[int, int, float, bool]]:
    """Pairs of pictures: the places of both in what was given, the smaller first, their similarity
    (MIN_SIMILARITY to 1), and whether one is like the mirror image of the other. In order of the places.

    Pictures that cannot be read, and those that are of one colour, are like none.

    Time grows with the number of pictures (0.01 to 0.02 s of a processor each), but for the search for
    candidates, which is quadratic and takes some seconds for 10,000. Runs in a worker process.
    """
    import numpy

    thumbnails = _thumbnails(pictures, cache_folder, lambda done: progress(done * _THUMBNAILS, "Thumbnails"))
    grey = thumbnails[:, : _SIDE**2].reshape(len(pictures), _SIDE, _SIDE)
    colours = thumbnails[:, _SIDE**2 :].reshape(len(pictures), _COLOURS, _COLOURS, 3)
    usable = numpy.zeros(len(pictures), bool)
    for begin in range(0, len(pictures), _AT_A_TIME):
        some = slice(begin, begin + _AT_A_TIME)
        usable[some] = grey[some].astype(numpy.float32).std(axis=(1, 2)) >= _LEAST_CONTRAST
    best: dict[tuple[int, int], tuple[float, bool]] = {}
    batches = [
        (pairs[begin : begin + _PAIRS_AT_A_TIME], mirrored)
        for mirrored in (False, True)
        for pairs in [_candidates(colours, usable, mirrored)]
        for begin in range(0, len(pairs), _PAIRS_AT_A_TIME)
    ]
    with ThreadPoolExecutor(processor_count(), thread_name_prefix="comparing") as pool:
        compared = pool.map(lambda batch: _similarities(grey, *batch), batches)
        for number, ((pairs, mirrored), similarities) in enumerate(zip(batches, compared, strict=True)):
            for (first, second), similarity in zip(pairs.tolist(), similarities.tolist(), strict=True):
                if similarity >= max(MIN_SIMILARITY, best.get((first, second), (0.0, False))[0]):
                    best[first, second] = similarity, mirrored
            progress(_THUMBNAILS + (number + 1) / len(batches) * (1 - _THUMBNAILS), "Comparing pictures")
    progress(1.0, "Done")
    return [(*pair, min(1.0, similarity), mirrored) for pair, (similarity, mirrored) in sorted(best.items())]


def _thumbnails(
    pictures: Sequence[Picture], cache_folder: Path, progress: Callable[[float], None]
) -> NDArray[numpy.float16]:
    """A row of `_WIDTH` a picture, 0..255; zeros for those that cannot be read."""
    import numpy

    rows = numpy.zeros((len(pictures), _WIDTH), numpy.float16)
    with FeatureCache(cache_folder) as cache:
        missing: list[int] = []
        for begin in range(0, len(pictures), _AT_A_TIME):
            some = range(begin, min(begin + _AT_A_TIME, len(pictures)))
            known = cache.get(_VIEW, [pictures[place].key for place in some], _WIDTH)
            for place in some:
                if (row := known.get(pictures[place].key)) is not None:
                    rows[place] = row
                else:
                    missing.append(place)
        done = len(pictures) - len(missing)
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="thumbnails") as pool:
            for some_missing in _chunks(missing):
                made = list(pool.map(_thumbnail, [pictures[place] for place in some_missing]))
                for place, row in zip(some_missing, made, strict=True):
                    if row is not None:
                        rows[place] = row
                cache.put(
                    (_VIEW, pictures[place].key, row)
                    for place, row in zip(some_missing, made, strict=True)
                    if row is not None
                )
                done += len(some_missing)
                progress(done / len(pictures))
    return rows


def _chunks(places: list[int]) -> Iterator[list[int]]:
    for begin in range(0, len(places), 64):
        yield places[begin : begin + 64]


def _thumbnail(picture: Picture) -> NDArray[numpy.float16] | None:
    import numpy

    try:
        pixels = resize_to_square(Path(picture.path).read_bytes(), _SIDE)
    except (ImageRejected, OSError):
        return None
    exact = pixels.astype(numpy.float32)
    grey = exact @ numpy.array([0.299, 0.587, 0.114], numpy.float32)
    field = _SIDE // _COLOURS
    colours = exact.reshape(_COLOURS, field, _COLOURS, field, 3).mean(axis=(1, 3))
    return numpy.concatenate([grey.ravel(), colours.ravel()]).astype(numpy.float16)


def _candidates(
    colours: NDArray[numpy.float16], usable: NDArray[numpy.bool_], mirrored: bool
) -> NDArray[numpy.int64]:
    """Pairs (P, 2) of pictures, the smaller number first, in order: for each those that correlate most."""
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
        near = numpy.take_along_axis(correlations, nearest, 1) >= _LEAST_COLOUR_CORRELATION
        found.append(numpy.stack([numpy.repeat(rows, most), nearest.ravel()], axis=1)[near.ravel()])
    return numpy.unique(numpy.sort(numpy.concatenate(found), axis=1), axis=0)


def _similarities(
    grey: NDArray[numpy.float16], pairs: NDArray[numpy.int64], mirrored: bool
) -> NDArray[numpy.float64]:
    """Of each pair, 0 for those that were given up."""
    import numpy

    fixed = grey[pairs[:, 0]].astype(numpy.float32)
    moved = grey[pairs[:, 1]].astype(numpy.float32)
    if mirrored:
        moved = moved[:, :, ::-1]
    result = numpy.zeros(len(pairs))
    left = numpy.arange(len(pairs))
    places = numpy.zeros((len(pairs), 4), numpy.float32)
    levels = (
        (halved(halved(fixed)), halved(halved(moved)), _LEAST_AT_A_QUARTER),
        (halved(fixed), halved(moved), _LEAST_AT_HALF),
    )
    for (some, others, least), steps in zip(levels, _STEPS, strict=False):
        correlation, places = aligned(some[left], others[left], places, steps)
        kept = correlation >= least
        left, places = left[kept], places[kept]
    kept = detail_correlation(fixed[left], moved[left], places) >= _LEAST_BEFORE_LAST_STEPS
    left, places = left[kept], places[kept]
    if len(left):
        _, places = aligned(fixed[left], moved[left], places, _STEPS[-1])
        result[left] = detail_correlation(fixed[left], moved[left], places)
    return result
