"""Pages of stored predictions, and the continuation tokens that clients send."""

import base64
import json
import tempfile
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.core.predictions.stored import ORDERS
from tests.support.harness import NOWHERE, Service, test_settings
from tests.support.predicting import INVALID, Predicted, found, insert, pages, query, refused_query

# --- pages --------------------------------------------------------------------------------------------------


def test_pages_follow_each_other(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = [predicted.predict() for _ in range(5)]
    newest = made[::-1]
    assert pages(service, project, maxCount=2) == [newest[:2], newest[2:4], newest[4:]]
    assert pages(service, project, maxCount=5) == [newest]
    # The size of the page may change between requests.
    token = query(service, project, maxCount=1)["token"]
    assert found(service, project, **(token | {"maxCount": 3})) == newest[1:4]


def test_rows_that_are_added_or_deleted_between_pages(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = [predicted.predict() for _ in range(6)]
    newest, oldest = (query(service, project, maxCount=2, orderBy=order)["token"] for order in ORDERS[:2])
    service.delete(f"{project}/predictions", params={"ids": f"{made[5]},{made[4]},{made[1]}"})
    later = predicted.predict()
    assert found(service, project, **newest) == [made[3], made[2]]
    token = query(service, project, **oldest)["token"]
    assert found(service, project, **oldest) + found(service, project, **token) == [made[2], made[3], later]


def test_pages_go_on_after_a_restart(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = [predicted.predict() for _ in range(2)]
    token = query(service, project, maxCount=1)["token"]
    service.restart()
    assert found(service, project, **token) == [made[0]]


def test_without_a_size_a_page_has_fifty(service: Service) -> None:
    project = service.project()
    insert(service, project, [{}] * 60)
    assert [len(page) for page in pages(service, project)] == [50, 10]
    assert [len(page) for page in pages(service, project, maxCount=256)] == [60]


rows = st.lists(
    st.fixed_dictionaries(
        {
            "seconds": st.integers(0, 5),
            "uncertainty": st.sampled_from([0.0, 0.1, 1 / 3, 0.9999999, 1.0]),
            "probability": st.sampled_from([0.0, 0.25, 0.5, 1.0]),
            "application": st.sampled_from([None, "a", "b"]),
        }
    ),
    max_size=20,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=rows,
    order=st.sampled_from(ORDERS),
    size=st.integers(1, 7),
    application=st.sampled_from([None, "a"]),
    bounds=st.sampled_from([None, (0.0, 0.25), (0.5, 1.0)]),
    start=st.one_of(st.none(), st.integers(0, 5)),
)
def test_pages_partition_the_list_in_order(
    shared: Service,
    rows: list[dict[str, Any]],
    order: str,
    size: int,
    application: str | None,
    bounds: tuple[float, float] | None,
    start: int | None,
) -> None:
    service = shared
    project, tag = service.project(), NOWHERE
    epoch = service.clock.now()
    stored = []
    for number, row in enumerate(rows):
        # Some times are equal, and some differ by less than the precision of responses.
        created = epoch + timedelta(seconds=row["seconds"], microseconds=number % 3)
        entry = {"tagId": tag, "tagName": "x", "tagType": "Regular", "probability": row["probability"]}
        stored.append(
            {
                "created": created,
                "uncertainty": row["uncertainty"],
                "application": row["application"],
                "predictions": [entry],
            }
        )
    ids = insert(service, project, stored)
    wanted: dict[str, Any] = {"orderBy": order, "maxCount": size, "application": application}
    matching = [number for number in range(len(rows)) if application in (None, rows[number]["application"])]
    if bounds is not None:
        wanted["tags"] = [{"id": tag, "minThreshold": bounds[0], "maxThreshold": bounds[1]}]
        matching = [number for number in matching if bounds[0] <= rows[number]["probability"] <= bounds[1]]
    if start is not None:
        wanted["startTime"] = (epoch + timedelta(seconds=start)).isoformat()
        matching = [number for number in matching if rows[number]["seconds"] >= start]
    key = "uncertainty" if order == "Suggested" else "created"
    matching.sort(key=lambda number: (stored[number][key], number), reverse=order != "Oldest")
    listed = pages(service, project, **wanted)
    assert list(chain.from_iterable(listed)) == [ids[number] for number in matching]
    assert all(len(page) == size for page in listed[:-1])
    assert listed[-1] or len(listed) == 1


@pytest.fixture(scope="module")
def shared() -> Any:
    """One service for all examples of a property; each example has its own project."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(test_settings(Path(folder)))
        yield service
        service.end()


# --- continuations ------------------------------------------------------------------------------------------


@pytest.fixture
def token(service: Service) -> tuple[str, dict[str, Any]]:
    """A project with two predictions, and the token of the first page of one."""
    project = service.project()
    insert(service, project, [{}] * 2)
    return project, query(service, project, maxCount=1)["token"]


def test_a_continuation_is_for_its_own_list_alone(service: Service, token: tuple[str, Any]) -> None:
    project, given = token
    other = service.project()
    insert(service, other, [{}] * 2)
    assert refused_query(service, other, **given) == (400, INVALID)
    for change in (
        {"orderBy": "Oldest"},
        {"orderBy": "Suggested"},
        {"application": "x"},
        {"iterationId": NOWHERE},
        {"startTime": "2026-01-01"},
        {"tags": [{"id": NOWHERE}]},
    ):
        assert refused_query(service, project, **(given | change)) == (400, INVALID)
    assert len(found(service, project, **given)) == 1


def test_a_forged_continuation_is_refused(service: Service, token: tuple[str, Any]) -> None:
    project, given = token
    text = given["continuation"]
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    expires, position = json.loads(data[16:])
    for content in ([expires + 1, position], [expires, [position[0], position[1] - 1]], []):
        forged = base64.urlsafe_b64encode(data[:16] + json.dumps(content).encode()).decode().rstrip("=")
        assert refused_query(service, project, **(given | {"continuation": forged})) == (400, INVALID)
    for number in range(len(text)):
        forged = text[:number] + ("A" if text[number] != "A" else "B") + text[number + 1 :]
        if base64.urlsafe_b64decode(forged + "=" * (-len(forged) % 4)) != data:
            assert refused_query(service, project, **(given | {"continuation": forged})) == (400, INVALID)


def test_a_stale_continuation_is_refused(service: Service, token: tuple[str, Any]) -> None:
    project, given = token
    service.clock.advance(hours=23)
    assert len(found(service, project, **given)) == 1
    service.clock.advance(hours=2)
    assert refused_query(service, project, **given) == (400, INVALID)
