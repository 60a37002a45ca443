"""Starting, changing, finishing and taking back roll-outs, and what belongs to the service's own API."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.harness import NOWHERE, RESOURCE_ID, Service, expect, refusal
from tests.support.rollouts import RolledOut


@pytest.fixture
def rolled_out(service: Service) -> RolledOut:
    return RolledOut(service)


def names_of(state: Any) -> tuple[str | None, str | None]:
    """The ids of the published and of the former iteration."""
    published, former = state["iteration"], state["formerIteration"]
    return published and published["id"], former and former["id"]


# --- the way forward ----------------------------------------------------------------------------------------


def test_from_shadow_over_a_percentage_to_the_end(rolled_out: RolledOut) -> None:
    started = rolled_out.start()
    assert names_of(started) == (rolled_out.first, None)
    assert [started["rollout"][name] for name in ("status", "mode", "percent")] == ["Running", "Shadow", None]
    assert rolled_out.answering() == rolled_out.first
    rolled_out.service.clock.advance(minutes=1)
    changed = rolled_out.call("PATCH", percent=100)["rollout"]
    assert (changed["mode"], changed["percent"]) == ("Percentage", 100)
    assert changed["lastModified"] > changed["started"]
    assert rolled_out.answering() == rolled_out.second
    assert rolled_out.service.get(rolled_out.second_path)["publishName"] is None
    finished = rolled_out.call("POST", "/finish")
    assert names_of(finished) == (rolled_out.second, rolled_out.first)
    assert finished["rollout"]["status"] == "Finished"
    assert finished["rollout"]["ended"] is not None
    assert rolled_out.answering() == rolled_out.second
    published = rolled_out.service.get(rolled_out.second_path)
    assert (published["publishName"], published["originalPublishResourceId"]) == ("live", RESOURCE_ID)
    assert rolled_out.service.get(rolled_out.first_path)["publishName"] is None


def test_names_are_listed_with_and_without_roll_outs(rolled_out: RolledOut) -> None:
    service = rolled_out.service
    third = service.train(rolled_out.project, params={"forceTrain": "true"})
    service.publish(third, "a/b ?")
    rolled_out.start(percent=0)
    listed = expect(service.request("GET", rolled_out.path))
    assert [item["publishName"] for item in listed] == ["a/b ?", "live"]
    assert [item["rollout"] and item["rollout"]["percent"] for item in listed] == [None, 0]
    (one,) = expect(service.request("GET", rolled_out.path, params={"publishName": " a/b ?"}))
    assert one == listed[0]
    missing = service.request("GET", rolled_out.path, params={"publishName": "x"})
    assert refusal(missing) == (
        404,
        "NotFound",
        "No iteration is or was published as 'x'; names are: 'a/b ?', 'live'.",
    )


def test_another_roll_out_replaces_one_that_has_ended(rolled_out: RolledOut) -> None:
    first = rolled_out.start()["rollout"]
    rolled_out.answering()
    rolled_out.state()
    rolled_out.call("POST", "/back")
    second = rolled_out.start()["rollout"]
    assert second["id"] != first["id"]
    assert second["comparison"]["imageCount"] == 0


def test_roll_outs_survive_a_restart_with_their_figures(rolled_out: RolledOut) -> None:
    rolled_out.start(percent=100)
    rolled_out.answering()
    before = rolled_out.state()
    assert before["rollout"]["candidate"]["predictionCount"] == 1
    rolled_out.service.restart()
    assert rolled_out.state() == before
    assert rolled_out.answering() == rolled_out.second
    assert rolled_out.state()["rollout"]["candidate"]["predictionCount"] == 2


def test_a_snapshot_has_roll_outs_with_their_figures_and_former_iterations(rolled_out: RolledOut) -> None:
    service = rolled_out.service
    rolled_out.publish(rolled_out.second_path)
    rolled_out.call("POST", iterationId=rolled_out.first, percent=100)
    rolled_out.answering()
    before = rolled_out.state()
    assert before["rollout"]["candidate"]["predictionCount"] == 1
    expect(service.request("PUT", "/_emulator/snapshots/base"), 201)
    service.send_unvalidated("POST", "/_emulator/reset")
    expect(service.request("POST", "/_emulator/snapshots/base/restore"))
    assert rolled_out.state() == before
    assert rolled_out.answering() == rolled_out.first


# --- the way back -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"percent": 100}])
def test_a_running_roll_out_is_taken_back(rolled_out: RolledOut, body: dict[str, Any]) -> None:
    rolled_out.start(**body)
    state = rolled_out.call("POST", "/back")
    assert names_of(state) == (rolled_out.first, None)
    assert state["rollout"]["status"] == "TakenBack"
    assert rolled_out.answering() == rolled_out.first
    assert rolled_out.refused("POST", "/finish")[:2] == (404, "NotFound")


def finished(rolled_out: RolledOut) -> None:
    rolled_out.start()
    rolled_out.call("POST", "/finish")


def published_again(rolled_out: RolledOut) -> None:
    rolled_out.publish(rolled_out.second_path)


def unpublished_and_published(rolled_out: RolledOut) -> None:
    rolled_out.service.delete(f"{rolled_out.first_path}/publish")
    rolled_out.service.publish(rolled_out.second_path, "live")


@pytest.mark.parametrize("change", [finished, published_again, unpublished_and_published])
def test_one_call_returns_to_the_former_iteration(
    rolled_out: RolledOut, change: Callable[[RolledOut], None]
) -> None:
    change(rolled_out)
    assert rolled_out.answering() == rolled_out.second
    state = rolled_out.call("POST", "/back")
    assert names_of(state) == (rolled_out.first, None)
    assert rolled_out.answering() == rolled_out.first
    published = rolled_out.service.get(rolled_out.first_path)
    assert (published["publishName"], published["originalPublishResourceId"]) == ("live", RESOURCE_ID)
    if change is finished:
        assert state["rollout"]["status"] == "TakenBack"
    # Two people who do it at once do not undo each other's work.
    assert rolled_out.refused("POST", "/back") == (
        409,
        "Conflict",
        "There is no former iteration of 'live' to return to.",
    )
    assert rolled_out.answering() == rolled_out.first


def test_an_unpublished_name_returns_too(rolled_out: RolledOut) -> None:
    rolled_out.service.delete(f"{rolled_out.first_path}/publish")
    assert names_of(rolled_out.state()) == (None, rolled_out.first)
    assert names_of(rolled_out.call("POST", "/back")) == (rolled_out.first, None)
    assert rolled_out.answering() == rolled_out.first


def test_the_same_iteration_published_again_is_not_its_own_former_one(rolled_out: RolledOut) -> None:
    rolled_out.service.delete(f"{rolled_out.first_path}/publish")
    rolled_out.service.publish(rolled_out.first_path, "live")
    assert names_of(rolled_out.state()) == (rolled_out.first, None)


def test_a_call_for_an_iteration_that_does_not_take_part_does_nothing(rolled_out: RolledOut) -> None:
    rolled_out.publish(rolled_out.second_path)
    status, code, message = rolled_out.refused("POST", "/back", iterationId=rolled_out.first)
    assert (status, code) == (409, "Conflict")
    assert message.endswith("does not answer requests for 'live': nothing was done.")
    assert rolled_out.answering() == rolled_out.second
    rolled_out.call("POST", "/back", iterationId=rolled_out.second)
    assert rolled_out.answering() == rolled_out.first


def test_a_former_iteration_that_is_published_elsewhere_stays_there(rolled_out: RolledOut) -> None:
    rolled_out.publish(rolled_out.second_path)
    rolled_out.service.publish(rolled_out.first_path, "other")
    assert rolled_out.refused("POST", "/back") == (
        400,
        "BadRequestIterationIsPublished",
        "The former iteration 'Iteration 1' is published as: other. Unpublish it first.",
    )
    assert rolled_out.answering() == rolled_out.second


def test_a_former_iteration_may_be_deleted(rolled_out: RolledOut) -> None:
    finished(rolled_out)
    rolled_out.service.delete(rolled_out.first_path)
    state = rolled_out.state()
    assert names_of(state) == (rolled_out.second, None)
    assert state["rollout"]["current"]["iterationName"] is None
    assert rolled_out.refused("POST", "/back")[:2] == (409, "Conflict")


# --- the service's own API ----------------------------------------------------------------------------------


def test_a_candidate_counts_as_published(rolled_out: RolledOut) -> None:
    service = rolled_out.service
    rolled_out.start()
    rule = (
        400,
        "BadRequestIterationIsPublished",
        "Iteration is being rolled out as: live. Finish the roll-out, or take it back, first.",
    )
    assert service.refused("DELETE", rolled_out.second_path) == rule
    other = {"publishName": "other", "predictionId": RESOURCE_ID, "overwrite": "true"}
    assert service.refused("POST", f"{rolled_out.second_path}/publish", params=other) == rule
    assert service.refused("DELETE", rolled_out.project)[:2] == rule[:2]
    rolled_out.call("POST", "/back")
    service.delete(rolled_out.second_path)


def test_publishing_the_candidate_under_the_name_finishes_the_roll_out(rolled_out: RolledOut) -> None:
    rolled_out.start()
    plain = {"publishName": "live", "predictionId": RESOURCE_ID}
    assert rolled_out.service.refused("POST", f"{rolled_out.second_path}/publish", params=plain)[0] == 400
    rolled_out.publish(rolled_out.second_path)
    state = rolled_out.state()
    assert names_of(state) == (rolled_out.second, rolled_out.first)
    assert state["rollout"]["status"] == "Finished"


def test_publishing_a_third_iteration_under_the_name_ends_the_roll_out(rolled_out: RolledOut) -> None:
    rolled_out.start(percent=100)
    third = rolled_out.service.train(rolled_out.project, params={"forceTrain": "true"})
    rolled_out.publish(third)
    state = rolled_out.state()
    assert names_of(state) == (third.rpartition("/")[2], rolled_out.first)
    assert state["rollout"]["status"] == "Replaced"
    assert rolled_out.answering() == third.rpartition("/")[2]


def test_unpublishing_the_name_ends_the_roll_out(rolled_out: RolledOut) -> None:
    service = rolled_out.service
    rolled_out.start(percent=100)
    service.delete(f"{rolled_out.first_path}/publish")
    assert refusal(service.predict(rolled_out.address, b"x"))[:2] == (404, "NotFoundIteration")
    assert rolled_out.state()["rollout"]["status"] == "Replaced"
    service.delete(rolled_out.second_path)


def test_a_project_is_deleted_with_its_roll_outs(rolled_out: RolledOut) -> None:
    rolled_out.start()
    rolled_out.call("POST", "/finish")
    rolled_out.service.delete(f"{rolled_out.second_path}/publish")
    rolled_out.service.delete(rolled_out.project)
    rows = [rolled_out.service.rows(f"SELECT * FROM {table}") for table in ("rollout", "former_publication")]
    assert rows == [[], []]


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"percent": 101}, "The mode Percentage needs percent: a number of at least 0 and at most 100."),
        ({"percent": -0.1}, "The mode Percentage needs percent: a number of at least 0 and at most 100."),
        (
            {"mode": "Percentage"},
            "The mode Percentage needs percent: a number of at least 0 and at most 100.",
        ),
        ({"mode": "Shadow", "percent": 1}, "percent is for the mode Percentage alone."),
        ({"mode": "Half"}, "mode is 'Half'; it must be 'Shadow' or 'Percentage'."),
        ({"percent": "1"}, "percent is '1'; it must be a number."),
        ({"part": 1}, "The request body has the unknown property 'part'."),
    ],
)
def test_bodies_that_are_refused(rolled_out: RolledOut, body: dict[str, Any], message: str) -> None:
    assert rolled_out.refused("POST", iterationId=rolled_out.second, **body) == (400, "BadRequest", message)
    assert rolled_out.state()["rollout"] is None


def test_a_change_names_what_it_changes(rolled_out: RolledOut) -> None:
    rolled_out.start()
    assert rolled_out.refused("PATCH") == (
        400,
        "BadRequest",
        "The request body has neither mode nor percent.",
    )
    assert rolled_out.call("PATCH", mode="Shadow")["rollout"]["mode"] == "Shadow"


def test_without_a_roll_out_there_is_nothing_to_change_or_finish(rolled_out: RolledOut) -> None:
    missing = (404, "NotFound", "No roll-out of 'live' is running.")
    assert rolled_out.refused("PATCH", percent=1) == missing
    assert rolled_out.refused("POST", "/finish") == missing
    assert rolled_out.refused("POST", "/back")[:2] == (409, "Conflict")


def test_iterations_that_cannot_be_rolled_out(rolled_out: RolledOut) -> None:
    service, start = rolled_out.service, rolled_out.refused
    assert start("POST", iterationId=NOWHERE)[:2] == (404, "NotFoundIteration")
    assert start("POST", iterationId=rolled_out.second, publishName="x") == (
        404,
        "NotFoundIteration",
        "No iteration is published as 'x'. Publish the first one directly.",
    )
    assert start("POST", iterationId=rolled_out.first)[1] == "BadRequestIterationIsPublished"
    training = service.post(f"{rolled_out.project}/train", params={"forceTrain": "true"})["id"]
    assert start("POST", iterationId=training)[1] == "BadRequestIterationIsNotTrained"
    service.finish_trainings()
    rolled_out.start()
    assert start("POST", iterationId=training) == (
        409,
        "Conflict",
        "A roll-out of 'live' is running. Finish it, or take it back, first.",
    )
    service.publish(f"{rolled_out.project}/iterations/{training}", "other")
    assert start("POST", iterationId=rolled_out.second, publishName="other")[:2] == (
        400,
        "BadRequestIterationIsPublished",
    )
    other_project = service.request(
        "POST", f"/_emulator/projects/{NOWHERE}/rollouts/back", json={"publishName": "x"}
    )
    assert refusal(other_project)[:2] == (404, "NotFoundProject")


def test_a_model_that_cannot_be_run_is_not_rolled_out(rolled_out: RolledOut) -> None:
    from emulator.vision.onnx_runtime import ModelUnusable

    class Broken:
        def classifier(self, _blob: str) -> None:
            raise ModelUnusable("It needs another program.")

    rolled_out.service.context.models = Broken()  # type: ignore[assignment]
    assert rolled_out.refused("POST", iterationId=rolled_out.second) == (
        400,
        "BadRequestNotSupported",
        "The model of 'Iteration 2' cannot be run. It needs another program.",
    )
