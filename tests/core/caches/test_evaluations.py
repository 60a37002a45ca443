"""Which evaluations stay in memory."""

from pathlib import Path

import numpy
import pytest

from emulator.core.caches import evaluations
from emulator.core.caches.evaluations import EvaluationCache
from emulator.store.blobs import FolderBlobStore
from emulator.vision.evaluation.classification import Evaluation


def _content(images: int) -> bytes:
    probabilities_NT = numpy.random.default_rng(images).random((images, 4), numpy.float32)
    return Evaluation(
        keys=tuple(f"{number:064x}" for number in range(images)),
        folds=numpy.zeros(images, numpy.int8),
        probabilities_NT=probabilities_NT,
        targets_NT=probabilities_NT > 0.5,
    ).content()


def test_many_small_evaluations_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = EvaluationCache(FolderBlobStore(tmp_path))
    blobs = [cache._blobs.put(_content(images)) for images in range(10, 22)]
    made = [cache.get(blob, "an iteration", of_detector=False) for blob in blobs]
    assert all(
        cache.get(blob, "an iteration", of_detector=False) is one
        for blob, one in zip(blobs, made, strict=True)
    )
    monkeypatch.setattr(evaluations, "_MOST_KEPT", 3)
    cache.get(blobs[0], "another iteration", of_detector=False)
    assert [blob for blob, _ in cache._kept] == [blobs[-2], blobs[-1], blobs[0]]


def test_large_evaluations_have_a_limit_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = EvaluationCache(FolderBlobStore(tmp_path))
    large, *small = (cache._blobs.put(_content(images)) for images in (5000, 10, 11, 12))
    monkeypatch.setattr(evaluations, "_FILE_BYTES_KEPT", 20_000)
    for blob in (large, *small):
        cache.get(blob, "an iteration", of_detector=False)
    assert [blob for blob, _ in cache._kept] == small
    for blob in (large, small[0]):  # two can be compared, whatever their size
        cache.get(blob, "an iteration", of_detector=False)
    assert [blob for blob, _ in cache._kept] == [large, small[0]]
    cache.clear()
    assert not cache._kept
