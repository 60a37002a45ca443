"""Training of detectors: repeatability, accuracy, and damaged images."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from emulator.vision.boxes.box import TaggedBox
from emulator.vision.detection import loss, quick, results
from emulator.vision.detection.calibration import PlattScaling
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset, Example, TrainedDetector
from emulator.vision.detection.quick import QuickTraining, held_out_images
from emulator.vision.detection.sampling import sample_batches
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import train_detector
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.imaging.decode import open_rgb
from emulator.vision.recipes.recipes import (
    QUICK_DETECTOR,
    DetectorRecipe,
    recipe_for_domain,
)
from emulator.vision.training import trainer
from emulator.vision.training.errors import TrainingFailed
from tests.support.vision.detection_images import SHAPES, TINY, kept, scene, scenes, with_images
from tests.support.vision.images import DATA, encoded, photograph


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DetectionDataset:
    return scenes(tmp_path_factory.mktemp("scenes"), range(10))


@pytest.fixture
def train(tmp_path: Path):
    def run(
        dataset: DetectionDataset,
        *,
        seed: int = 0,
        output: str = "model",
        recipe: DetectorRecipe = TINY,
        reported: list[tuple[float, str]] | None = None,
    ) -> TrainedDetector:
        return train_detector(
            dataset,
            recipe,
            seed=seed,
            output=tmp_path / output,
            feature_cache=tmp_path / "features",
            progress=lambda share, step: reported.append((share, step)) if reported is not None else None,
        )

    return run


def test_the_evaluation_of_a_training(dataset: DetectionDataset, train) -> None:
    reported: list[tuple[float, str]] = []

    trained = train(dataset, reported=reported)

    assert (trained.image_count, trained.skipped) == (10, ())
    assert list(trained.seconds) == ["images", "training", "finishing", "writing"]
    assert sorted(file.name for file in trained.model_path.parent.iterdir()) == [
        "evaluation.npz",
        "model.onnx",
    ]
    shares = [share for share, _ in reported]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    # Every image, every step, every image that is evaluated, the last step.
    steps = [step for _, step in reported if step != "Comparing the images"]
    assert len(steps) == 1 + 10 + 3 + 4 + 1 + 2
    assert DetectorSession(trained.model_path).labels == SHAPES


def test_the_same_training_gives_the_same_files(dataset: DetectionDataset, train) -> None:
    """In any order of the images and of their boxes."""
    shuffled = replace(
        dataset,
        images=tuple(
            replace(image, boxes=tuple(reversed(image.boxes))) for image in reversed(dataset.images)
        ),
    )

    first, second = train(dataset, output="first"), train(shuffled, output="second")

    assert first.model_path.read_bytes() == second.model_path.read_bytes()
    assert first.evaluation_path.read_bytes() == second.evaluation_path.read_bytes()


def test_the_number_of_processors_makes_none(
    dataset: DetectionDataset, train, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for processors in (1, 3):
        monkeypatch.setattr(trainer, "processor_count", lambda count=processors: count)
        monkeypatch.setattr(results, "processor_count", lambda count=processors: count)
        files.append(train(dataset, output=str(processors)).model_path.read_bytes())

    assert files[0] == files[1]


def test_the_seed_makes_a_difference(dataset: DetectionDataset, train) -> None:
    first, second = train(dataset, output="first"), train(dataset, output="second", seed=1)

    assert first.model_path.read_bytes() != second.model_path.read_bytes()


def test_the_evaluated_images_were_not_learned_from(
    dataset: DetectionDataset, train, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[set[str]] = []
    real = quick.fine_tune_detector

    def spy(examples, *arguments, **options):
        learned.append({example.key for example in examples})
        return real(examples, *arguments, **options)

    monkeypatch.setattr(quick, "fine_tune_detector", spy)

    evaluation = DetectionEvaluation.load(train(dataset).evaluation_path)

    before, all_at_last = learned
    everything = {image.key for image in dataset.images}
    assert all_at_last == everything
    assert set(evaluation.keys) == everything - before
    assert evaluation.count == 4


def test_copies_of_held_out_images_were_not_learned_from(tmp_path: Path, train) -> None:
    """Re-encoded copies have other bytes, and would be recognized."""
    copy_of = {}
    images = []
    for number in range(10):
        picture, boxes = scene(number, size=(320, 240))
        one, copy = (kept(tmp_path, encoded(picture, "JPEG", quality=quality), boxes) for quality in (95, 80))
        copy_of[one.key], copy_of[copy.key] = copy.key, one.key
        images += [one, copy]

    for seed in range(3):
        trained = train(DetectionDataset(tuple(images), SHAPES), seed=seed)
        held_out = set(DetectionEvaluation.load(trained.evaluation_path).keys)
        assert held_out == {copy_of[key] for key in held_out}
        assert 4 <= len(held_out) <= 10


def test_a_group_of_copies_is_held_out_together_or_learned_from() -> None:
    has_NT = numpy.zeros((12, 2), bool)
    has_NT[:10, 0] = has_NT[10:, 1] = True
    groups_N = numpy.array([0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10])
    for seed in range(5):
        held_out_N = held_out_images(has_NT, QUICK_DETECTOR, seed, groups_N=groups_N)
        assert (held_out_N[::2] == held_out_N[1::2]).all()
        assert held_out_N.any()
        # The only images of a tag are a group: both are learned from.
        assert not held_out_N[10:].any()


def test_held_out_images_change_nothing_before_the_end(dataset: DetectionDataset, tmp_path: Path) -> None:
    """Other objects on the held-out images change the final model, and no bit of the evaluated weights."""

    def trained(shrunk: bool) -> tuple[dict[str, numpy.ndarray], bytes]:
        training = QuickTraining(dataset, TINY, 0, tmp_path / "features")
        training.load(list(dataset.images), lambda share: None, lambda share: None)
        training.examples = [
            replace(example, boxes=example.boxes / 2) if shrunk and hidden else example
            for example, hidden in zip(training.examples, training.held_out_N, strict=True)
        ]
        evaluated = training.evaluate(lambda share: None, lambda share: None)
        kept = replace(evaluated, calibration=PlattScaling())
        return dict(evaluated.weights), training.finish(kept, lambda share: None)

    (first, model), (second, other_model) = trained(False), trained(True)

    assert max(numpy.abs(first[name] - second[name]).max() for name in first) == 0
    assert model != other_model


def test_each_tag_is_learned_from() -> None:
    has_NT = numpy.zeros((12, 3), bool)
    has_NT[:10, 0] = has_NT[10:, 1] = has_NT[11, 2] = True
    for seed in range(5):
        held_out_N = held_out_images(has_NT, QUICK_DETECTOR, seed)
        assert (has_NT & ~held_out_N[:, None]).any(axis=0).all()
        assert 3 <= held_out_N.sum() <= 5
    assert not held_out_images(has_NT[:1], QUICK_DETECTOR, 0).any()


def test_images_that_another_model_was_evaluated_on_are_held_out() -> None:
    has_NT = numpy.repeat(numpy.eye(2, dtype=bool), 50, axis=0)
    wanted_N = numpy.zeros(100, bool)
    wanted_N[[0, 3, 7, 60, 61, 99]] = True
    held_out_N = held_out_images(has_NT, QUICK_DETECTOR, 0, first_N=wanted_N)
    assert held_out_N[wanted_N].all()
    assert held_out_N.sum() == held_out_images(has_NT, QUICK_DETECTOR, 0).sum()


def test_the_evaluation_holds_what_is_marked(dataset: DetectionDataset, train) -> None:
    evaluation = DetectionEvaluation.load(train(dataset).evaluation_path)

    by_key = {image.key: image.boxes for image in dataset.images}
    for number, key in enumerate(evaluation.keys):
        rows = evaluation.truths.images == number
        marked = sorted((box.tag_index, box.left, box.top, box.width, box.height) for box in by_key[key])
        stored = sorted(
            (int(tag), *place)
            for tag, place in zip(
                evaluation.truths.tags[rows], evaluation.truths.ltwh[rows].tolist(), strict=True
            )
        )
        numpy.testing.assert_allclose(stored, marked, atol=1e-6)


def test_images_without_objects_and_damaged_ones(dataset: DetectionDataset, train, tmp_path: Path) -> None:
    empty = [kept(tmp_path, encoded(photograph(seed=seed)), []) for seed in range(3)]
    damaged = kept(tmp_path, encoded(scene(50)[0], "JPEG")[:-200], list(dataset.images[0].boxes))
    gone = BoxedImage(str(tmp_path / "gone"), "f" * 64, ())

    trained = train(with_images(dataset, *empty, damaged, gone))

    assert trained.image_count == 13
    assert sorted(trained.skipped) == sorted([damaged.key, gone.key])


def test_an_image_that_is_there_twice_counts_once(dataset: DetectionDataset, train) -> None:
    once, twice = train(dataset, output="once"), train(with_images(dataset, *dataset.images), output="twice")

    assert once.model_path.read_bytes() == twice.model_path.read_bytes()


@pytest.mark.parametrize("images", [1, 2])
def test_the_smallest_sets_train(tmp_path: Path, train, images: int) -> None:
    """One or two images of one tag give a model; a single image cannot be evaluated."""
    picture, boxes = scene(0, 1)
    chosen = [kept(tmp_path, encoded(picture), boxes)]
    if images == 2:
        chosen.append(kept(tmp_path, encoded(scene(0, 1, (150, 100))[0]), scene(0, 1, (150, 100))[1]))

    trained = train(DetectionDataset(tuple(chosen), ("square",)))

    evaluation = DetectionEvaluation.load(trained.evaluation_path)
    assert evaluation.count == images - 1
    assert 0 <= evaluation.performance().average_precision <= 1
    DetectorSession(trained.model_path).score(encoded(picture))


def test_boxes_of_one_pixel_and_of_the_whole_picture(tmp_path: Path, train) -> None:
    boxes = [TaggedBox(0, 0.5, 0.5, 1 / 160, 1 / 120), TaggedBox(1, 0, 0, 1, 1)]
    images = tuple(kept(tmp_path, encoded(scene(number)[0]), boxes) for number in range(4))

    assert train(DetectionDataset(images, SHAPES)).image_count == 4


def test_three_hundred_boxes(tmp_path: Path, train) -> None:
    boxes = [TaggedBox(number % 2, number % 20 / 20, number // 20 / 15, 0.04, 0.05) for number in range(300)]
    images = tuple(kept(tmp_path, encoded(scene(number)[0]), boxes) for number in range(3))

    assert train(DetectionDataset(images, SHAPES)).image_count == 3


def test_a_tag_without_readable_images_is_named(dataset: DetectionDataset, train, tmp_path: Path) -> None:
    damaged = kept(tmp_path, b"nothing", [TaggedBox(2, 0.1, 0.1, 0.2, 0.2)])

    with pytest.raises(TrainingFailed, match="regions of the tag ring could be read"):
        train(with_images(replace(dataset, tags=(*SHAPES, "ring")), damaged))


def test_without_images_or_tags_nothing_trains(dataset: DetectionDataset, train) -> None:
    with pytest.raises(TrainingFailed, match=r"None of the images could be read: .* upload them again"):
        train(replace(dataset, images=()))
    with pytest.raises(TrainingFailed, match="no tags"):
        train(DetectionDataset((), ()))


def test_a_tag_that_is_none_is_a_mistake_of_the_caller(dataset: DetectionDataset, train) -> None:
    with pytest.raises(ValueError, match="not of one of 1 tags"):
        train(replace(dataset, tags=("square",)))


def test_a_loss_that_is_no_number_ends_the_training(
    dataset: DetectionDataset, train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "_GIOU_WEIGHT", float("nan"))

    with pytest.raises(TrainingFailed, match="not a number"):
        train(dataset)


def test_a_full_disk_is_reported(dataset: DetectionDataset, train, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emulator.durable_files.os.fsync", full)

    with pytest.raises(TrainingFailed, match="disk is full: free some space"):
        train(dataset)


@pytest.mark.parametrize("missing", ["torch", "onnx"])
def test_missing_packages_are_named(
    dataset: DetectionDataset, train, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(TrainingFailed, match=f"install the packages torch and onnx .*{missing}"):
        train(dataset)


def test_the_settings_of_torch_are_as_they_were(dataset: DetectionDataset, train) -> None:
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()

    train(dataset)

    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def examples(*tags: tuple[int, ...]) -> list[Example]:
    return [
        Example(str(number), "", numpy.zeros((len(each), 4)), numpy.array(each, numpy.int64))
        for number, each in enumerate(tags)
    ]


def test_every_image_is_sampled_before_any_is_repeated() -> None:
    batches = sample_batches(examples(*[(0,)] * 10), 1, 5, 4, [0])

    assert [len(batch) for batch in batches] == [5] * 4
    assert sorted(batches[0] + batches[1]) == list(range(10))
    assert sorted(batches[2] + batches[3]) == list(range(10))


def test_rare_tags_come_more_often_and_empty_images_not_too_often() -> None:
    chosen = examples(*[(0,)] * 90, *[(1,)] * 10, *[()] * 400)

    looked_at = numpy.bincount(numpy.concatenate(sample_batches(chosen, 2, 8, 250, [0])), minlength=500)

    common, rare, empty = looked_at[:90], looked_at[90:100], looked_at[100:]
    assert rare.mean() > 1.8 * common.mean()
    assert 0.3 < empty.sum() / looked_at.sum() < 0.5


def test_recipes_of_domains() -> None:
    general = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"

    assert recipe_for_domain(DetectorRecipe, general.upper()) is recipe_for_domain(DetectorRecipe, general)
    with pytest.raises(KeyError):
        recipe_for_domain(
            DetectorRecipe, "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
        )  # General, of classification


@pytest.mark.parametrize(("images", "steps"), [(1, 80), (200, 120), (1000, 200)])
def test_steps(images: int, steps: int) -> None:
    assert QUICK_DETECTOR.steps(images) == steps
    assert QUICK_DETECTOR.steps(images, 2.0) == 2 * steps


@pytest.mark.parametrize(("images", "folds"), [(1, 3), (15, 3), (80, 4), (100, 5), (1000, 5), (10_000, 50)])
def test_how_much_is_evaluated(images: int, folds: int) -> None:
    assert QUICK_DETECTOR.folds(images) == folds


@pytest.mark.slow
def test_squares_and_discs_are_distinguished(dataset: DetectionDataset, train, tmp_path: Path) -> None:
    recipe = replace(QUICK_DETECTOR, resolution=160, min_steps=60, max_steps=60)

    trained = train(scenes(tmp_path, range(24)), recipe=recipe)

    session = DetectorSession(trained.model_path)
    for number in range(100, 105):
        picture, boxes = scene(number)
        found = session.score(encoded(picture))[: len(boxes)]
        assert sorted(box.tag_index for box in found) == sorted(box.tag_index for box in boxes)
        for box in boxes:
            assert any(
                (near.left, near.top) == pytest.approx((box.left, box.top), abs=0.06) for near in found
            )
    assert DetectionEvaluation.load(trained.evaluation_path).performance().average_precision > 0.8


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs the sets of photographs in ../shared/data")
def test_forks_and_scissors(train) -> None:
    """The images of the service's quickstart, a quarter of them held out."""
    import json

    regions = json.loads((DATA / "quickstart" / "regions.json").read_text(encoding="utf-8"))["regions"]
    tags = ("fork", "scissors")
    images, unseen = [], []
    for number, (name, region) in enumerate(sorted(regions.items())):
        path = DATA / "quickstart" / region["tag"] / name
        key = hashlib.sha256(path.read_bytes()).hexdigest()
        image = BoxedImage(str(path), key, (TaggedBox(tags.index(region["tag"]), *region["box"]),))
        (images if number % 4 else unseen).append(image)

    trained = train(DetectionDataset(tuple(images), tags), recipe=QUICK_DETECTOR)

    session = DetectorSession(trained.model_path)
    for image in unseen:
        data = Path(image.path).read_bytes()
        best, (marked,) = session.score(data)[0], image.boxes
        assert best.tag_index == marked.tag_index
        places = (best.left, best.top, best.width, best.height)
        assert places == pytest.approx((marked.left, marked.top, marked.width, marked.height), abs=0.12)
        assert open_rgb(data)
    assert DetectionEvaluation.load(trained.evaluation_path).performance().average_precision > 0.8
