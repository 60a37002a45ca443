from pathlib import Path

import numpy
import pytest

from emulator.vision.imaging.feature_cache import FeatureCache, forget

VECTOR = numpy.arange(4, dtype=numpy.float16)


def test_what_was_put_is_found_by_the_next_process(tmp_path: Path) -> None:
    with FeatureCache(tmp_path / "new folder") as cache:
        cache.put([("view", f"key {number}", VECTOR + number) for number in range(1200)])

    with FeatureCache(tmp_path / "new folder") as cache:
        found = cache.get("view", [f"key {number}" for number in range(1300)], 4)

    assert len(found) == 1200
    numpy.testing.assert_array_equal(found["key 7"], VECTOR + 7)


def test_views_are_kept_apart(tmp_path: Path) -> None:
    with FeatureCache(tmp_path) as cache:
        cache.put([("one", "key", VECTOR)])

        assert cache.get("other", ["key"], 4) == {}


def test_the_last_value_wins(tmp_path: Path) -> None:
    with FeatureCache(tmp_path) as cache:
        cache.put([("view", "key", VECTOR)])
        cache.put([("view", "key", VECTOR + 1)])

        numpy.testing.assert_array_equal(cache.get("view", ["key"], 4)["key"], VECTOR + 1)


@pytest.mark.parametrize("vector", [VECTOR[:3], numpy.array([0, 1, numpy.nan, 3], numpy.float16)])
def test_vectors_that_cannot_be_right_are_unknown(tmp_path: Path, vector: numpy.ndarray) -> None:
    with FeatureCache(tmp_path) as cache:
        cache.put([("view", "key", vector)])

        assert cache.get("view", ["key"], 4) == {}


def test_nothing_of_a_failed_write_is_kept(tmp_path: Path) -> None:
    def rows() -> list[tuple[str, str, numpy.ndarray]]:
        return [("view", "good", VECTOR), ("view", None, VECTOR)]  # type: ignore[list-item]

    with FeatureCache(tmp_path) as cache:
        with pytest.raises(Exception, match="NOT NULL"):
            cache.put(rows())

        assert cache.get("view", ["good"], 4) == {}


def test_two_may_use_one_folder(tmp_path: Path) -> None:
    with FeatureCache(tmp_path) as first, FeatureCache(tmp_path) as second:
        first.put([("view", "a", VECTOR)])
        second.put([("view", "b", VECTOR)])

        assert set(first.get("view", ["a", "b"], 4)) == {"a", "b"}


def test_a_file_that_is_no_database_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "features.sqlite").write_bytes(b"this is not a database at all" * 100)

    with FeatureCache(tmp_path) as cache:
        cache.put([("view", "key", VECTOR)])
        assert list(cache.get("view", ["key"], 4)) == ["key"]


def test_a_database_with_damaged_pages_is_replaced(tmp_path: Path) -> None:
    with FeatureCache(tmp_path) as cache:
        cache.put([("view", f"{number:05}", VECTOR) for number in range(5000)])
    file = tmp_path / "features.sqlite"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(content)

    with FeatureCache(tmp_path) as cache:
        assert cache.get("view", ["00001"], 4) == {}
        cache.put([("view", "key", VECTOR)])
        assert list(cache.get("view", ["key"], 4)) == ["key"]


def test_what_is_forgotten_is_unknown_in_every_view(tmp_path: Path) -> None:
    with FeatureCache(tmp_path) as cache:
        cache.put([(view, key, VECTOR) for view in ("one", "other") for key in ("gone", "stays")])

    forget(tmp_path, ["gone", "never there"])

    with FeatureCache(tmp_path) as cache:
        assert [list(cache.get(view, ["gone", "stays"], 4)) for view in ("one", "other")] == [["stays"]] * 2


def test_forgetting_makes_no_cache(tmp_path: Path) -> None:
    forget(tmp_path / "nothing", ["key"])

    assert not (tmp_path / "nothing").exists()
