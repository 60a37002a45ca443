"""Comparison of candidates, plans and budgets of advanced training: arithmetic, without a network."""

from itertools import pairwise

import numpy
import pytest

from emulator.vision.classification.candidates import Candidate, CandidateComparison, Gain
from emulator.vision.classification.fold_plan import EPOCH_LEVELS, Plan, are_sufficient, planned
from emulator.vision.classification.head import LogitCalibration
from emulator.vision.networks.graph import Network
from emulator.vision.recipes.recipes import ADVANCED
from emulator.vision.training.budget import Budget, OutOfTime


def never_made(calibration: LogitCalibration) -> Network:
    raise AssertionError("only the chosen one is made")


def candidate(
    right: numpy.ndarray, strength: float = 3.0, rows: numpy.ndarray | None = None, name: str = "some"
) -> Candidate:
    """Scores of images whose tag is their number modulo 2: for the true tag where `right`."""
    rows = numpy.arange(len(right)) if rows is None else rows
    labels = numpy.where(right, rows % 2, 1 - rows % 2)
    logits = numpy.eye(2)[labels] * strength
    return Candidate(name, rows, logits, never_made)


COUNT = 200
TARGETS = numpy.eye(2)[numpy.arange(COUNT) % 2]
COMPARISON = CandidateComparison(TARGETS, multilabel=False)
HALF_RIGHT = numpy.arange(COUNT) % 4 < 3  # three quarters, in fact


def test_fewer_mistakes_win() -> None:
    better = candidate(numpy.arange(COUNT) % 8 < 7)

    assert COMPARISON.replaces(better, candidate(HALF_RIGHT))
    assert not COMPARISON.replaces(candidate(HALF_RIGHT), better)


@pytest.mark.parametrize(
    ("loss", "mistakes", "text"),
    [
        (0.2, 3, "Better than quick: log loss lower by 0.2000 ± 0.1000, 3 ± 2.0 fewer mistakes."),
        (-0.2, 3, "Not better than quick: log loss higher by 0.2000 ± 0.1000, 3 ± 2.0 fewer mistakes."),
        (0.2, -1, "Not better than quick: log loss lower by 0.2000 ± 0.1000, 1 ± 2.0 more mistakes."),
        (0.05, 1, "Not better than quick: log loss lower by 0.0500 ± 0.1000, 1 ± 2.0 fewer mistakes."),
    ],
)
def test_a_gain_is_explained(loss: float, mistakes: float, text: str) -> None:
    gain = Gain("quick", loss, 0.1, mistakes, 2.0, is_settled=False)
    assert str(gain) == text
    assert gain.is_significant == text.startswith("Better")


def test_a_model_without_mistakes_is_not_replaced() -> None:
    gain = Gain("quick", 0.2, 0.1, 3, 2.0, is_settled=True)
    assert str(gain) == "quick makes no mistakes, so nothing replaces it."
    assert not gain.is_significant


def test_nothing_replaces_itself_or_its_equal() -> None:
    one = candidate(HALF_RIGHT)

    assert not COMPARISON.replaces(one, one)
    assert not COMPARISON.replaces(candidate(HALF_RIGHT), one)


def test_a_difference_that_may_be_chance_changes_nothing() -> None:
    """One error fewer, but on other images."""
    other = HALF_RIGHT.copy()
    other[3::4][:20] = True
    other[0::4][:19] = False

    assert not COMPARISON.replaces(candidate(other), candidate(HALF_RIGHT))


def test_lower_probabilities_for_the_same_errors_win_on_log_loss() -> None:
    """The same number of errors, with lower probabilities for the wrong tags."""
    sure = candidate(HALF_RIGHT)
    doubting = Candidate(
        "doubting", sure.rows, sure.logits_ET * numpy.where(HALF_RIGHT, 1.0, 0.1)[:, None], never_made
    )

    assert COMPARISON.replaces(doubting, sure)


def test_a_model_without_mistakes_and_doubts_stays() -> None:
    perfect = candidate(numpy.ones(COUNT, bool), strength=4.0)
    surer = candidate(numpy.ones(COUNT, bool), strength=40.0)

    assert COMPARISON.is_perfect(perfect)
    assert not COMPARISON.replaces(surer, perfect)


def test_candidates_are_compared_on_the_images_that_both_have_scores_for() -> None:
    """Other errors of the champion are on images without scores of the challenger."""
    rows = numpy.arange(0, COUNT, 5)
    champion_right = numpy.zeros(COUNT, bool)
    champion_right[rows] = numpy.arange(len(rows)) % 10 > 0
    champion = candidate(champion_right)
    worse = candidate(numpy.arange(len(rows)) % 10 > 3, rows=rows)
    better = candidate(numpy.ones(len(rows), bool), rows=rows)

    assert not COMPARISON.replaces(worse, champion)
    assert COMPARISON.replaces(better, champion)


def test_all_tags_have_the_same_weight() -> None:
    """Errors on a tag with 5 images weigh more than the same number on a tag with 195."""
    labels = numpy.zeros(COUNT, int)
    labels[:5] = 1
    comparison = CandidateComparison(numpy.eye(2)[labels], multilabel=False)

    def with_mistakes(wrong: list[int]) -> Candidate:
        predicted = labels.copy()
        predicted[wrong] = 1 - predicted[wrong]
        return Candidate("some", numpy.arange(COUNT), numpy.eye(2)[predicted] * 2.0, never_made)

    common_only = with_mistakes([0, 1, 2, 3, 4])
    assert comparison.replaces(with_mistakes([10, 11]), common_only)
    assert comparison.loss(with_mistakes([10, 11, 12, 13, 14])) < comparison.loss(common_only)


def test_several_tags_an_image() -> None:
    targets = numpy.array([[1, 0], [1, 1], [0, 0], [0, 1]] * 20)
    comparison = CandidateComparison(targets, multilabel=True)
    rows = numpy.arange(len(targets))
    good = Candidate("good", rows, (targets - 0.5) * 4, never_made)
    halves = targets.copy()
    halves[::2, 0] = 1 - halves[::2, 0]
    bad = Candidate("bad", rows, (halves - 0.5) * 4, never_made)

    assert comparison.replaces(good, bad)
    assert not comparison.replaces(bad, good)


# --- plans --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fitting", "images", "plan"),
    [
        (1.0, 500, None),
        (3.5, 500, None),
        (3.7, 500, Plan(2, 1)),
        (16.0, 500, Plan(8, 1)),
        (22.0, 500, Plan(8, 2)),
        (40.0, 500, Plan(15, 2)),
        (65.0, 500, Plan(19, 3)),
        (75.0, 500, Plan(15, 5)),
        (80.0, 500, Plan(19, 4)),
        (95.0, 500, Plan(19, 5)),
        (22.0, 60, Plan(8, 2)),
        (60.0, 60, Plan(12, 5)),
        (1000.0, 5000, Plan(19, 5)),
    ],
)
def test_plans(fitting: float, images: int, plan: Plan | None) -> None:
    assert planned(fitting, images, 5, ADVANCED) == plan


def test_a_plan_leaves_little_of_a_budget() -> None:
    for fitting in numpy.linspace(22, 95, 100):
        plan = planned(fitting, 500, 5, ADVANCED)
        assert plan is not None
        used = plan.epochs * (1 + 0.8 * plan.folds)
        assert 0.86 * fitting <= used <= fitting + 1e-9, (fitting, plan)


@pytest.mark.parametrize(
    ("lanes", "fitting", "plan"),
    [
        (2, 22.0, Plan(12, 2)),
        (3, 22.0, Plan(19, 2)),
        (3, 40.0, Plan(19, 5)),
        (8, 19.0, Plan(19, 5)),
        (8, 1.9, None),
    ],
)
def test_several_models_at_the_same_time_allow_longer_plans(
    lanes: int, fitting: float, plan: Plan | None
) -> None:
    assert planned(fitting, 500, 5, ADVANCED, lanes=lanes) == plan


def test_a_plan_that_any_budget_allows_is_the_same_for_all_numbers_of_workers() -> None:
    assert {planned(1000.0, 500, 5, ADVANCED, lanes=lanes) for lanes in range(1, 9)} == {Plan(19, 5)}


def test_a_little_more_or_less_speed_changes_no_plan() -> None:
    plans = {planned(22.0 * speed, 500, 5, ADVANCED) for speed in (0.99, 1.0, 1.01, 1.05)}
    assert len(plans) == 1
    assert all(later <= 1.5 * level for level, later in pairwise(EPOCH_LEVELS[1:]))


@pytest.mark.parametrize(
    ("first", "second", "sufficient"),
    [
        (Plan(8, 2), Plan(8, 1), True),
        (Plan(8, 1), Plan(8, 1), False),
        (Plan(7, 2), Plan(8, 1), False),
        (Plan(8, 2), Plan(7, 1), False),
        (Plan(8, 2), None, False),
        (None, None, False),
    ],
)
def test_half_of_the_time_is_for_a_second_network_if_both_halves_are_long(
    first: Plan | None, second: Plan | None, sufficient: bool
) -> None:
    assert are_sufficient(first, second, 2, 8) == sufficient


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_plan_that_fits_is_carried_out() -> None:
    clock = Clock()
    budget = Budget(100, clock)
    remaining, done = budget.plan(90), 0
    while remaining:
        clock.now += 1.0 + 0.2 * (done % 2)  # a little slower than thought
        done += 1
        remaining = budget.plan(remaining - 1)
    assert done == 90


@pytest.mark.parametrize("slow_from", [0, 50, 75])
def test_a_plan_is_shortened_when_the_machine_becomes_slow(slow_from: int) -> None:
    clock = Clock()
    budget = Budget(100, clock)
    remaining, done = budget.plan(90), 0
    while remaining:
        clock.now += 1.0 if done < slow_from else 5.0
        done += 1
        remaining = budget.plan(remaining - 1)
    assert done < 90
    assert clock.now <= 110


def test_parts_of_a_budget() -> None:
    clock = Clock()
    budget = Budget(100, clock)
    clock.now = 20
    part = budget.part(0.5)
    assert (budget.left, part.left) == (80, 40)
    part.check()
    clock.now = 61
    assert part.left < 0 < budget.left
    with pytest.raises(OutOfTime):
        part.check()
    clock.now = 200
    assert budget.part(0.5).seconds == 0
