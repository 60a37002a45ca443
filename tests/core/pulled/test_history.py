"""Revisions from the states of a workspace."""

from typing import Any

import pytest

from emulator.core.pulled.history import Life, image_history, life, lives

VIEWS = ["first", "second", ""]


@pytest.mark.parametrize(
    ("present", "found"),
    [
        ([0, 1, 2], [Life(1, None)]),
        ([2], [Life(3, None)]),
        ([0], [Life(1, 2)]),
        ([0, 1], [Life(1, 3)]),
        ([0, 2], [Life(1, 2), Life(3, None)]),
    ],
)
def test_each_run_of_views_is_a_life(present: list[int], found: list[Life]) -> None:
    assert lives(present, 3) == found
    assert life(present, 3) == Life(found[0].born, found[-1].removed)


def described(*tags: str, regions: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "created": "2020-01-01T00:00:00",
        "tags": [{"tagId": tag, "created": f"2020-01-01T00:00:0{number}"} for number, tag in enumerate(tags)],
        "regions": regions or [],
        **more,
    }


def region(id: str, left: float = 0.25) -> dict[str, Any]:
    box = {"left": left, "top": 0.5, "width": 0.25, "height": 0.25}
    return {"regionId": id, "tagId": "red", "created": "2020-01-01T00:00:00", **box}


def test_tags_end_and_begin_with_the_views_that_have_them() -> None:
    history = image_history(
        {"first": described("red"), "second": described("blue"), "": described("red", metadata={"a": "b"})},
        VIEWS,
    )
    assert history is not None
    assert history.life == Life(1, None)
    assert history.latest["metadata"] == {"a": "b"}
    found = {(one, tag) for one, tag, _ in history.tags}
    assert found == {(Life(1, 2), "red"), (Life(2, 3), "blue"), (Life(3, None), "red")}


def test_a_region_whose_box_changes_keeps_its_id_in_the_latest_view() -> None:
    history = image_history(
        {
            "first": described("red", regions=[region("r", 0.125), region("s")]),
            "": described("red", regions=[region("r", 0.375)]),
        },
        VIEWS,
    )
    assert history is not None
    found = {(one, item["left"]): item["regionId"] for one, item in history.regions}
    assert found[Life(3, None), 0.375] == "r"
    assert found[Life(1, 2), 0.25] == "s"
    assert found[Life(1, 2), 0.125] not in ("r", "s")
    assert len(set(found.values())) == 3


def test_an_image_of_no_known_view_has_no_rows() -> None:
    assert image_history({"unknown": described()}, VIEWS) is None
