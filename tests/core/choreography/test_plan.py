"""Plans: their checks, and the states that they spread over polls and seconds."""

from typing import Any

import pytest

from emulator.core.choreography.plan import MAX_SECONDS, Failure, Kind, make_plan
from emulator.core.errors import ServiceError

THREE = ("Staging", "Queued", "Training")


@pytest.mark.parametrize(
    ("polls", "states", "shown"),
    [
        (1, None, ["Training"]),
        (3, None, ["Training"] * 3),
        (4, THREE, ["Staging", "Staging", "Queued", "Training"]),
        (3, THREE, ["Staging", "Queued", "Training"]),
        (3, ("Queued", "Training"), ["Queued", "Queued", "Training"]),
        (6, ("Queued", "Training"), ["Queued"] * 3 + ["Training"] * 3),
    ],
)
def test_states_are_spread_over_the_response_and_the_polls(polls: int, states: Any, shown: list[str]) -> None:
    plan = make_plan("training", polls=polls, states=states)
    assert [plan.state(number, 0) for number in range(polls)] == shown
    assert [plan.is_due(number, 0) for number in range(polls)] == [False] * polls
    assert plan.is_due(polls, 0)


@pytest.mark.parametrize("count", [*range(1, 101)])
def test_every_state_is_shown_if_there_are_as_many_polls(count: int) -> None:
    names = [THREE[number % 3] for number in range(count)]
    plan = make_plan("training", polls=count, states=names)
    assert [plan.state(number, 0) for number in range(count)] == names


def test_states_are_spread_over_seconds() -> None:
    plan = make_plan("training", seconds=30, states=THREE)
    moments = (-5, 0, 9.9, 10, 19.9, 20, 29.9, 300)
    assert [plan.state(0, moment) for moment in moments] == [
        *["Staging"] * 3,
        *["Queued"] * 2,
        *["Training"] * 3,
    ]
    assert [plan.is_due(9, moment) for moment in (0, 29.9, 30)] == [False, False, True]


@pytest.mark.parametrize("values", [{}, {"complete": "atOnce"}, {"seconds": 0}])
def test_an_end_at_once_needs_no_poll(values: dict[str, Any]) -> None:
    assert make_plan("export", **values).is_due(0, 0)


def test_names_match_in_any_case() -> None:
    plan = make_plan("training", " AfterPolls ", polls=2, states=["QUEUED", "training"])
    assert (plan.complete, plan.states) == ("afterPolls", ("Queued", "Training"))


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("training", {"polls": 3, "seconds": 2.0}, "both polls and seconds"),
        ("training", {"complete": "never"}, "complete is atOnce, afterPolls or afterSeconds, not 'never'"),
        ("export", {"complete": "afterPolls"}, "choreography of export is not valid: afterPolls needs polls"),
        ("export", {"complete": "afterSeconds"}, "afterSeconds needs seconds"),
        ("import", {"complete": "atOnce", "polls": 2}, "polls belongs to afterPolls, but complete is atOnce"),
        ("training", {"complete": "afterPolls", "seconds": 2.0}, "afterPolls needs polls"),
        ("training", {"polls": 0}, "polls is a number from 1 to 10000"),
        ("training", {"polls": -1}, "polls is a number"),
        ("training", {"polls": 10**30}, "polls is a number"),
        ("training", {"seconds": -0.1}, "seconds is a number from 0"),
        ("training", {"seconds": MAX_SECONDS + 1}, "366 days"),
        ("training", {"seconds": float("nan")}, "seconds is a number"),
        ("training", {"seconds": float("inf")}, "seconds is a number"),
        (
            "training",
            {"polls": 3, "states": ["Completed"]},
            "is Staging, Queued or Training, not 'Completed'",
        ),
        ("export", {"polls": 3, "states": ["Training"]}, "is Exporting, not 'Training'"),
        ("import", {"polls": 3, "states": ["Queued"]}, "is Importing, not 'Queued'"),
        ("training", {"polls": 3, "states": []}, "states has 1 to 100 entries"),
        ("training", {"seconds": 3, "states": ["Queued"] * 101}, "states has 1 to 100 entries"),
        ("training", {"polls": 2, "states": THREE}, "3 states need at least 3 polls, and there are 2"),
        ("training", {"states": ["Queued"]}, "states needs afterPolls or afterSeconds"),
        ("training", {"failure": Failure("BadRequest", "x" * 4097)}, "at most 4096 characters"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(kind: Kind, values: dict[str, Any], words: str) -> None:
    with pytest.raises(ServiceError) as refused:
        make_plan(kind, **values)
    assert refused.value.code == "BadRequest"
    assert words in refused.value.message


def test_the_reason_of_a_failure_has_code_and_message() -> None:
    assert Failure("ErrorUnknown", "All is lost.").reason == "ErrorUnknown: All is lost."
    assert Failure("ErrorUnknown", "").reason == "ErrorUnknown"
