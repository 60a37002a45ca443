"""Which script a call uses, and counting by several threads."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from emulator.core.test_kit.prediction_scripts import PredictionScripts, Script
from emulator.store.tables import Iteration
from tests.support.fakes import TestClock

DATA = b"an image"
SHA256 = hashlib.sha256(DATA).hexdigest()
ITERATION = Iteration(
    id="iteration",
    project_id="project",
    number=1,
    name="",
    status="Completed",
    revision=0,
    publish_name="live",
)


def script(name: str, **changes: Any) -> Script:
    values: dict[str, Any] = {
        "id": name,
        "created": TestClock().time,
        "project_id": None,
        "published_name": None,
        "iteration_id": None,
        "image_sha256": None,
        "times": None,
        "predictions": (),
    }
    return Script(**{**values, **changes})


@pytest.fixture
def scripts() -> PredictionScripts:
    return PredictionScripts()


def used(scripts: PredictionScripts, data: bytes = DATA, iteration: Iteration = ITERATION) -> str | None:
    """The id of the script that the next call uses."""
    return scripts.use(iteration, iteration.publish_name, scripts.digest(data), lambda script: script.id)


def test_without_scripts_there_is_none_to_use(scripts: PredictionScripts) -> None:
    assert not scripts.is_active
    assert used(scripts) is None


def test_images_precede_counts_and_counts_precede_the_rest(scripts: PredictionScripts) -> None:
    for one in (
        script("always"),
        script("counted", times=1),
        script("image", image_sha256=SHA256),
        script("counted image", image_sha256=SHA256, times=2),
    ):
        scripts.add(one)
    assert [used(scripts) for _ in range(4)] == ["counted image", "counted image", "image", "image"]
    assert [used(scripts, b"other") for _ in range(3)] == ["counted", "always", "always"]


def test_the_oldest_is_used_first(scripts: PredictionScripts) -> None:
    scripts.add(script("first", times=1))
    scripts.add(script("second", times=1))
    scripts.add(script("third"))
    scripts.add(script("fourth"))
    assert [used(scripts) for _ in range(4)] == ["first", "second", "third", "third"]


@pytest.mark.parametrize(
    "other", [{"project_id": "other"}, {"published_name": "other"}, {"iteration_id": "other"}]
)
def test_a_script_is_only_for_calls_that_fit_all_of_its_properties(
    scripts: PredictionScripts, other: dict[str, str]
) -> None:
    here = {"project_id": "project", "published_name": "live", "iteration_id": "iteration"}
    scripts.add(script("other", **here | other))
    assert used(scripts) is None
    scripts.add(script("here", **here))
    assert used(scripts) == "here"


def test_used_scripts_are_counted_and_listed_in_order(scripts: PredictionScripts) -> None:
    scripts.add(script("twice", times=2))
    scripts.add(script("always"))
    for _ in range(3):
        used(scripts)
    assert [(one.id, one.used, one.remaining, one.is_used_up) for one in scripts.all()] == [
        ("twice", 2, 0, True),
        ("always", 1, None, True),
    ]


def test_scripts_that_are_not_used_up(scripts: PredictionScripts) -> None:
    scripts.add(script("twice", times=2))
    scripts.add(script("always"))
    used(scripts)
    assert [one.is_used_up for one in scripts.all()] == [False, False]


def test_used_up_and_removed_scripts_cost_nothing(scripts: PredictionScripts) -> None:
    scripts.add(script("counted", times=1))
    assert scripts.is_active
    used(scripts)
    assert not scripts.is_active
    scripts.add(script("image", image_sha256=SHA256))
    scripts.add(script("always"))
    assert scripts.remove("image") and scripts.remove("always") and scripts.remove("counted")
    assert not scripts.remove("image")
    assert not scripts.is_active
    assert scripts.all() == []


def test_clearing_removes_all(scripts: PredictionScripts) -> None:
    scripts.add(script("image", image_sha256=SHA256))
    scripts.add(script("always"))
    scripts.clear()
    assert used(scripts) is None
    assert not scripts.is_active
    assert scripts.get("always") is None


def test_a_script_whose_response_fails_is_not_counted(scripts: PredictionScripts) -> None:
    def fail(_script: Script) -> None:
        raise ValueError

    scripts.add(script("counted", times=1))
    with pytest.raises(ValueError):
        scripts.use(ITERATION, ITERATION.publish_name, "", fail)
    assert scripts.get("counted") == script("counted", times=1)
    assert used(scripts) == "counted"


def test_concurrent_calls_use_a_script_exactly_so_many_times(scripts: PredictionScripts) -> None:
    scripts.add(script("image", times=100, image_sha256=SHA256))
    scripts.add(script("counted", times=100))
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _number: used(scripts), range(400)))
    assert [results.count(name) for name in ("image", "counted", None)] == [100, 100, 200]
