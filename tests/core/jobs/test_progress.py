"""The progress of a job and the estimate of the time that is left."""

import pytest

from emulator.core.jobs.changes import Changes
from emulator.core.jobs.progress import JobProgress


class _Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_there_is_none_before_the_first_report() -> None:
    assert JobProgress(_Time()).reading is None


def test_it_never_falls_and_never_exceeds_one() -> None:
    progress = JobProgress(_Time())
    fractions = []
    for fraction in (0.0, 0.4, 0.2, 0.5, 1.5):
        progress.note(fraction, "Training")
        assert progress.reading is not None
        fractions.append(progress.reading.fraction)
    assert fractions == [0.0, 0.4, 0.4, 0.5, 1.0]


def test_the_time_that_is_left_follows_from_the_speed_without_the_start_of_the_process() -> None:
    time = _Time()
    progress = JobProgress(time)
    time.seconds += 30  # the process is started
    progress.note(0.0, "Looking at the images")
    time.seconds += 10
    progress.note(0.25, "Training")
    assert progress.reading is not None
    assert progress.reading.seconds_left == pytest.approx(30)


def test_waiting_for_a_machine_does_not_count_as_work() -> None:
    time = _Time()
    progress = JobProgress(time)
    progress.note(0.0, "Waiting for a free worker")
    time.seconds += 1000
    progress.note(0.0, "Fetching images")
    time.seconds += 10
    progress.note(0.5, "Training")
    assert progress.reading is not None
    assert progress.reading.seconds_left == pytest.approx(10)


def test_the_time_that_is_left_is_counted_down_and_never_negative() -> None:
    time = _Time()
    progress = JobProgress(time)
    progress.note(0.0, "Training")
    time.seconds += 10
    progress.note(0.5, "Training")
    lefts = []
    for _ in range(60):
        time.seconds += 1
        assert progress.reading is not None
        lefts.append(progress.reading.seconds_left)
    assert lefts[0] == pytest.approx(9)
    assert min(lefts) > 0, "a step that takes longer than expected makes the estimate rise again"
    assert lefts[-1] == pytest.approx(70), "at the speed of 70 seconds for a half"


def test_it_is_unknown_at_the_beginning() -> None:
    time = _Time()
    progress = JobProgress(time)
    progress.note(0.0, "Training")
    time.seconds += 0.5
    progress.note(0.1, "Training")
    assert progress.reading is not None
    assert progress.reading.seconds_left is None
    time.seconds += 100
    progress.note(0.1, "Training")
    slow = JobProgress(time)
    slow.note(0.0, "Training")
    time.seconds += 100
    slow.note(0.01, "Training")
    assert slow.reading is not None
    assert slow.reading.seconds_left is None


def test_only_new_steps_and_whole_percents_are_changes_with_a_pause_between_them() -> None:
    time = _Time()
    progress = JobProgress(time)
    assert progress.note(0.0, "Looking at the images")
    assert not progress.note(0.5, "Looking at the images"), "too soon"
    assert progress.note(0.5, "Training"), "another step"
    time.seconds += 1
    assert not progress.note(0.501, "Training"), "the same percent"
    assert progress.note(0.52, "Training")


def test_changes_are_counted_and_listeners_called() -> None:
    changes = Changes()
    heard: list[int] = []

    def listen() -> None:
        heard.append(changes.number)

    changes.add(listen)
    changes.note()
    changes.note()
    changes.remove(listen)
    changes.note()
    assert (heard, changes.number) == ([1, 2], 3)
