"""The image index agrees with the database after any changes."""

from collections.abc import Collection, Iterable

from hypothesis import given
from hypothesis import strategies as st

from emulator.core.caches.image_index import ImageIndex

numbers = st.integers(0, 30)
changes = st.lists(
    st.tuples(
        st.sets(numbers, max_size=5),  # images that enter the list
        st.sets(numbers, max_size=5),  # images that leave it
        st.booleans(),  # whether the change is noted as one to any image
        st.booleans(),  # whether a change that is rolled back precedes it
        st.booleans(),  # whether the list is read afterwards
    ),
    max_size=12,
)


@given(start=st.sets(numbers), changes=changes)
def test_lists_follow_the_changes(
    start: set[int], changes: list[tuple[set[int], set[int], bool, bool, bool]]
) -> None:
    cache, present, revision = ImageIndex(), set(start), 0

    def read(among: Collection[int] | None) -> Iterable[int]:
        return sorted(present if among is None else present & set(among))

    assert list(cache.get("p", revision, "key", read)) == sorted(present)
    for entering, leaving, any_image, rolled_back, asked in changes:
        revision += 1
        if rolled_back:
            cache.note("p", revision, {1, 2, 3})
        touched = entering | leaving
        cache.note("p", revision, None if any_image else touched)
        present = (present - leaving) | entering
        if asked:
            assert list(cache.get("p", revision, "key", read)) == sorted(present)
    assert list(cache.get("p", revision, "key", read)) == sorted(present)


def test_a_list_that_is_still_true_is_not_read_again() -> None:
    cache, reads = ImageIndex(), []

    def read(among: Collection[int] | None) -> Iterable[int]:
        reads.append(among)
        return [1, 2, 3] if among is None else sorted({1, 2, 3} & set(among))

    assert list(cache.get("p", 5, "key", read)) == [1, 2, 3]
    assert list(cache.get("p", 5, "key", read)) == [1, 2, 3]
    assert reads == [None]
    cache.note("p", 6, {2})
    assert list(cache.get("p", 6, "key", read)) == [1, 2, 3]
    assert [list(among or ()) for among in reads] == [[], [2]]


def test_unknown_changes_and_other_projects() -> None:
    cache = ImageIndex()
    assert list(cache.get("p", 1, "key", lambda _: [1])) == [1]
    # The changes of revisions 2 and 3 were not noted.
    cache.note("other", 3, ())
    assert list(cache.get("p", 3, "key", lambda among: [2] if among is None else [])) == [2]
    assert list(cache.get("p", 3, "another key", lambda _: [7])) == [7]
    cache.clear()
    assert list(cache.get("p", 3, "key", lambda _: [9])) == [9]


def test_a_reader_that_is_late_does_not_replace_a_newer_list() -> None:
    cache = ImageIndex()
    assert list(cache.get("p", 4, "key", lambda _: [4])) == [4]
    assert list(cache.get("p", 3, "key", lambda _: [3])) == [3]
    assert list(cache.get("p", 4, "key", lambda _: [0])) == [4]
