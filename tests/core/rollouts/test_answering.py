"""Predictions while a roll-out is running: who answers, what is compared and counted, failures."""

import threading
from collections import Counter
from typing import Any

import pytest

from emulator.core.caches.published import RunningRollout
from emulator.core.predictions import predict as predictions
from emulator.core.rollout_counts import RolloutCounts
from emulator.core.rollouts import answering, saving
from emulator.core.spare_work import SpareWork
from emulator.store.tables import Iteration
from tests.support.harness import Service, expect, refusal
from tests.support.images import picture
from tests.support.rollouts import RolledOut
from tests.support.scripting import likely, scripted


@pytest.fixture
def rolled_out(service: Service) -> RolledOut:
    return RolledOut(service)


def fail_for(monkeypatch: pytest.MonkeyPatch, iteration_id: str, error: Exception) -> None:
    score = predictions.probabilities_of

    def fail(context: Any, iteration: Iteration, data: bytes) -> Any:
        if iteration.id == iteration_id:
            raise error
        return score(context, iteration, data)

    monkeypatch.setattr(predictions, "probabilities_of", fail)


# --- shadow mode --------------------------------------------------------------------------------------------


def test_the_candidate_scores_what_the_published_iteration_answers(rolled_out: RolledOut) -> None:
    rolled_out.start()
    answers = [rolled_out.answering(300 + number, colour) for number, colour in enumerate(("red", "green"))]
    assert answers == [rolled_out.first] * 2
    rollout = rolled_out.state()["rollout"]
    comparison = rollout["comparison"]
    # The published iteration does not know the tag green.
    assert (comparison["imageCount"], comparison["agreedImageCount"]) == (2, 1)
    assert (comparison["agreement"], comparison["droppedImageCount"]) == (0.5, 0)
    for side, iteration, name in (
        ("current", rolled_out.first, "Iteration 1"),
        ("candidate", rolled_out.second, "Iteration 2"),
    ):
        figures = rollout[side]
        assert (figures["iterationId"], figures["iterationName"]) == (iteration, name)
        assert (figures["predictionCount"], figures["failureCount"]) == (2, 0)
        assert 0 < figures["meanConfidence"] <= 1
        assert 0 < figures["meanMilliseconds"] <= figures["maxMilliseconds"]


def test_a_failing_candidate_is_counted_and_harms_no_answer(
    rolled_out: RolledOut, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rolled_out.start()
    fail_for(monkeypatch, rolled_out.second, MemoryError("too large"))
    assert [rolled_out.answering(number) for number in (300, 301)] == [rolled_out.first] * 2
    rollout = rolled_out.state()["rollout"]
    assert (rollout["candidate"]["predictionCount"], rollout["candidate"]["failureCount"]) == (0, 2)
    assert rollout["current"]["predictionCount"] == 2
    assert rollout["comparison"]["imageCount"] == 0
    # One line for all failures.
    assert [record.message for record in caplog.records] == [
        "The candidate 'Iteration 2' of a roll-out failed: MemoryError: too large"
    ]


def test_an_answer_does_not_wait_for_the_candidate(
    rolled_out: RolledOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, may_go_on = predictions.probabilities_of, threading.Event()

    def held(context: Any, iteration: Iteration, data: bytes) -> Any:
        if iteration.id == rolled_out.second:
            assert may_go_on.wait(60)
        return score(context, iteration, data)

    monkeypatch.setattr(predictions, "probabilities_of", held)
    rolled_out.service.context.spare_work = SpareWork(most_items=1)
    rolled_out.start()
    try:
        rolled_out.answering()
        # One image is being compared or waits, so at most one of these can wait.
        for number in range(3):
            rolled_out.answering(310 + number)
    finally:
        may_go_on.set()
    comparison = rolled_out.state()["rollout"]["comparison"]
    assert comparison["droppedImageCount"] >= 2
    assert comparison["imageCount"] + comparison["droppedImageCount"] == 4
    rolled_out.service.context.spare_work.stop()


def test_nothing_is_stored_for_the_candidate(rolled_out: RolledOut) -> None:
    rolled_out.start()
    expect(rolled_out.service.predict(rolled_out.address, picture(320)))
    rolled_out.state()
    rows = rolled_out.service.rows("SELECT iteration_id FROM stored_prediction")
    assert rows == [(rolled_out.first,)]


def test_a_script_for_some_calls_is_not_used_up_by_the_candidate(rolled_out: RolledOut) -> None:
    scripted(
        rolled_out.service, likely("red", 0.25), projectId=rolled_out.project.rpartition("/")[2], times=2
    )
    rolled_out.start()
    for number in (330, 331):
        response = rolled_out.service.predict(rolled_out.address, picture(number, "blue"))
        assert expect(response)["predictions"][0] | {"tagId": ""} == {
            "probability": 0.25,
            "tagId": "",
            "tagName": "red",
            "tagType": "Regular",
        }
        rolled_out.state()


# --- percentage ---------------------------------------------------------------------------------------------


def test_the_candidate_answers_about_that_part_of_the_requests() -> None:
    def answered(percent: float, rollout_id: str = "r") -> set[int]:
        rollout = RunningRollout(rollout_id, "Percentage", percent, Iteration())
        return {number for number in range(4000) if answering.is_for_candidate(rollout, f"id {number}")}

    assert answered(0) == set()
    assert answered(100) == set(range(4000))
    few, more = answered(10), answered(30)
    # Six standard deviations of a binomial distribution: 19 and 29.
    assert abs(len(few) - 400) < 114
    assert abs(len(more) - 1200) < 174
    assert few < more
    assert answered(10) == few != answered(10, "another")


def test_a_response_names_the_iteration_that_answered(rolled_out: RolledOut) -> None:
    rolled_out.start(percent=50)
    service = rolled_out.service
    responses = [expect(service.predict(rolled_out.address, picture(number))) for number in range(340, 364)]
    answers = Counter(item["iteration"] for item in responses)
    assert answers.keys() == {rolled_out.first, rolled_out.second}
    tags = {item["iteration"]: len(item["predictions"]) for item in responses}
    assert tags == {rolled_out.first: 2, rolled_out.second: 3}
    stored = dict(service.rows("SELECT id, iteration_id FROM stored_prediction"))
    assert stored == {item["id"]: item["iteration"] for item in responses}
    rollout = rolled_out.state()["rollout"]
    sides = {
        rollout[side]["iterationId"]: rollout[side]["predictionCount"] for side in ("current", "candidate")
    }
    assert sides == answers
    assert rollout["comparison"]["imageCount"] == 0


def test_the_same_ids_are_answered_by_the_same_iterations(rolled_out: RolledOut) -> None:
    started = rolled_out.start(percent=50)["rollout"]
    response = expect(rolled_out.service.predict(rolled_out.address, picture(370)))
    rollout = RunningRollout(started["id"], "Percentage", 50, Iteration())
    is_candidate = answering.is_for_candidate(rollout, response["id"])
    assert response["iteration"] == (rolled_out.second if is_candidate else rolled_out.first)


def test_the_published_iteration_answers_where_the_candidate_fails(
    rolled_out: RolledOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled_out.start(percent=100)
    fail_for(monkeypatch, rolled_out.second, FileNotFoundError("its model"))
    assert rolled_out.answering() == rolled_out.first
    rollout = rolled_out.state()["rollout"]
    assert (rollout["candidate"]["failureCount"], rollout["current"]["predictionCount"]) == (1, 1)


@pytest.mark.parametrize("body", [{}, {"percent": 100}])
def test_an_image_that_nobody_can_read_is_no_failure(rolled_out: RolledOut, body: dict[str, Any]) -> None:
    rolled_out.start(**body)
    refused = rolled_out.service.predict(rolled_out.address, b"no image")
    assert refusal(refused)[:2] == (400, "BadRequestImageFormat")
    rollout = rolled_out.state()["rollout"]
    counts = [
        (rollout[side]["predictionCount"], rollout[side]["failureCount"]) for side in ("current", "candidate")
    ]
    assert counts == [(0, 0), (0, 0)]


def test_a_script_for_the_name_is_used_whoever_answers(rolled_out: RolledOut) -> None:
    scripted(rolled_out.service, likely("red", 0.25), publishedName="live")
    rolled_out.start(percent=100)
    response = expect(rolled_out.service.predict(rolled_out.address, picture(380)))
    assert response["iteration"] == rolled_out.second
    assert response["predictions"][0]["probability"] == 0.25


def test_predictions_never_lack_an_iteration_while_a_roll_out_goes_on(rolled_out: RolledOut) -> None:
    image = {"content": picture(390), "headers": {"Content-Type": "application/octet-stream"}}
    predict = ("POST", f"{rolled_out.address}/image/nostore", image)

    def change(method: str, end: str = "", **body: Any) -> tuple[str, str, dict[str, Any]]:
        return method, rolled_out.path + end, {"json": {"publishName": "live", **body}}

    for body in ({}, {"percent": 50}):
        for step in (
            change("POST", iterationId=rolled_out.second, **body),
            change("PATCH", percent=80),
            change("POST", "/finish"),
            change("POST", "/back"),
        ):
            responses = rolled_out.service.together(*[predict] * 6, step, *[predict] * 6)
            changed = responses.pop(6)
            assert changed.status_code in (200, 201), changed.text
            assert {item.status_code for item in responses} == {200}
            assert {item.json()["iteration"] for item in responses} <= {rolled_out.first, rolled_out.second}


# --- figures ------------------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_figures_are_stored_from_time_to_time(rolled_out: RolledOut) -> None:
    seconds = 0.0
    context = rolled_out.service.context
    context.rollout_counts = RolloutCounts(lambda: seconds)
    rolled_out.start(percent=100)

    def stored() -> int:
        ((figures,),) = rolled_out.service.rows(
            "SELECT json_extract(figures, '$.candidate.predictions') FROM rollout"
        )
        return int(figures)

    rolled_out.answering(400)
    context.spare_work.wait()
    assert stored() == 0
    seconds = 11.0
    rolled_out.answering(401)
    context.spare_work.wait()
    assert stored() == 2
    assert rolled_out.state()["rollout"]["candidate"]["predictionCount"] == 2


def test_figures_stay_in_memory_when_they_cannot_be_stored(
    rolled_out: RolledOut, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from emulator.store.database import StorageFull

    context = rolled_out.service.context
    rolled_out.start(percent=100)
    rolled_out.answering()
    with monkeypatch.context() as patch:

        def full() -> Any:
            raise StorageFull("disk")

        patch.setattr(context.database, "write", full)
        saving.save(context)
    assert [record.message for record in caplog.records] == [
        "The disk is full: the figures of roll-outs were not stored."
    ]
    saving.save(context)
    assert rolled_out.state()["rollout"]["candidate"]["predictionCount"] == 1


def test_figures_of_a_roll_out_that_is_gone_are_dropped(rolled_out: RolledOut) -> None:
    context = rolled_out.service.context
    with context.rollout_counts.change("gone") as figures:
        figures.dropped += 1
    saving.save(context)
    assert context.rollout_counts.take() == {}
