"""Training of classifiers: accuracy, repeatability, and damaged images, which are skipped."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image

from emulator.vision.classification import features
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    TrainedClassifier,
)
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import train_classifier
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.recipes.recipes import QUICK, ClassifierRecipe, recipe_for_domain
from emulator.vision.training.errors import TrainingFailed
from tests.support.vision.images import DATA, PATTERNS, drawn, encoded, kept

GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"


@pytest.fixture
def train(tmp_path: Path, feature_cache: Path):
    def run(
        dataset: ClassificationDataset, *, seed: int = 0, output: str = "model", cache: Path = feature_cache
    ) -> TrainedClassifier:
        return train_classifier(
            dataset,
            QUICK,
            seed=seed,
            output=tmp_path / output,
            feature_cache=cache,
            progress=lambda share, step: None,
        )

    return run


def test_unseen_pictures_get_their_tag(trained: TrainedClassifier) -> None:
    session = ClassifierSession(trained.model_path)

    assert session.labels == PATTERNS
    assert not session.multilabel
    for label, pattern in enumerate(PATTERNS):
        for number in range(100, 105):
            scores = session.score(encoded(drawn(pattern, number), "JPEG"))
            assert scores.index(max(scores)) == label
            assert sum(scores) == pytest.approx(1, abs=1e-5)


def test_the_evaluation_of_a_training(trained: TrainedClassifier, patterns: ClassificationDataset) -> None:
    assert trained.image_count == len(patterns.images)
    assert trained.skipped == ()
    assert list(trained.seconds) == ["features", "folds", "heads", "writing"]
    assert sorted(file.name for file in trained.model_path.parent.iterdir()) == [
        "evaluation.npz",
        "model.onnx",
    ]


def test_the_evaluation_is_of_all_images_by_models_trained_without_them(
    trained: TrainedClassifier, patterns: ClassificationDataset
) -> None:
    evaluation = Evaluation.load(trained.evaluation_path)

    assert list(evaluation.keys) == sorted(image.key for image in patterns.images)
    assert evaluation.count == 18
    by_key = {image.key: image.labels for image in patterns.images}
    assert [tuple(numpy.flatnonzero(row)) for row in evaluation.targets_NT] == [
        by_key[key] for key in evaluation.keys
    ]
    numpy.testing.assert_allclose(evaluation.probabilities_NT.sum(axis=1), 1, atol=1e-5)
    assert set(evaluation.folds.tolist()) == set(range(5))


def test_the_evaluation_of_random_tags_is_not_that_of_the_training_images(
    pattern_images: tuple[LabelledImage, ...], train
) -> None:
    """Evaluated on its training images, a model of random tags would be nearly perfect."""
    noise = tuple(replace(image, labels=(index % 2,)) for index, image in enumerate(pattern_images))

    trained = train(ClassificationDataset(noise, ("odd", "even"), multilabel=False))

    assert Evaluation.load(trained.evaluation_path).performance().precision < 0.8


def test_images_that_another_model_was_evaluated_on_are_in_the_first_fold(
    patterns: ClassificationDataset, train
) -> None:
    wanted = {image.key for image in patterns.images[::6]}

    trained = train(replace(patterns, held_out=frozenset(wanted)))

    evaluation = Evaluation.load(trained.evaluation_path)
    folds = dict(zip(evaluation.keys, evaluation.folds.tolist(), strict=True))
    assert {folds[key] for key in wanted} == {0}


def test_copies_of_an_image_are_in_its_fold(
    pattern_images: tuple[LabelledImage, ...], tmp_path: Path, train
) -> None:
    copies = []
    for image in pattern_images:
        with Image.open(image.path) as original:
            copies.append(kept(tmp_path, encoded(original, "JPEG", quality=95), image.labels))

    trained = train(ClassificationDataset((*pattern_images, *copies), PATTERNS, multilabel=False))

    evaluation = Evaluation.load(trained.evaluation_path)
    folds = dict(zip(evaluation.keys, evaluation.folds.tolist(), strict=True))
    assert [folds[copy.key] for copy in copies] == [folds[image.key] for image in pattern_images]
    assert len(set(folds.values())) > 1


def test_the_same_training_gives_the_same_files(
    patterns: ClassificationDataset, trained: TrainedClassifier, train, tmp_path: Path
) -> None:
    """In another order, and with the features computed anew."""
    shuffled = replace(patterns, images=tuple(reversed(patterns.images)))

    again = train(shuffled, cache=tmp_path / "another cache")

    assert again.model_path.read_bytes() == trained.model_path.read_bytes()
    assert again.evaluation_path.read_bytes() == trained.evaluation_path.read_bytes()


def test_the_seed_decides_the_folds(
    patterns: ClassificationDataset, trained: TrainedClassifier, train
) -> None:
    other = train(patterns, seed=1)

    assert not numpy.array_equal(
        Evaluation.load(other.evaluation_path).folds, Evaluation.load(trained.evaluation_path).folds
    )


def test_multilabel_tags_are_independent(pattern_images: tuple[LabelledImage, ...], train) -> None:
    """Stripes have both tags, dots only the second one, and noise has none."""
    labels = {(0,): (0, 1), (1,): (1,), (2,): ()}
    images = tuple(replace(image, labels=labels[image.labels]) for image in pattern_images)

    trained = train(ClassificationDataset(images, ("stripes", "regular"), multilabel=True))

    session = ClassifierSession(trained.model_path)
    assert session.multilabel
    for pattern, expected in (("stripes", [True, True]), ("dots", [False, True]), ("noise", [False, False])):
        scores = numpy.array([session.score(encoded(drawn(pattern, number))) for number in range(200, 206)])
        assert (scores.mean(axis=0) > 0.5).tolist() == expected


@pytest.mark.parametrize("multilabel", [False, True])
def test_the_negative_tag_is_predicted_where_no_other_fits(
    patterns: ClassificationDataset, multilabel: bool, train
) -> None:
    dataset = replace(patterns, tags=("stripes", "dots", "Negative"), negative=2, multilabel=multilabel)

    session = ClassifierSession(train(dataset).model_path)

    scores = session.score(encoded(drawn("noise", 300)))
    assert session.labels[scores.index(max(scores))] == "Negative"
    assert max(scores[:2]) < 0.5


def test_one_tag_is_enough_for_multilabel(pattern_images: tuple[LabelledImage, ...], train) -> None:
    images = tuple(replace(image, labels=() if image.labels == (2,) else (0,)) for image in pattern_images)

    session = ClassifierSession(
        train(ClassificationDataset(images, ("regular",), multilabel=True)).model_path
    )

    assert session.score(encoded(drawn("noise", 400)))[0] < session.score(encoded(drawn("dots", 400)))[0]


def test_one_image_a_tag_is_enough(pattern_images: tuple[LabelledImage, ...], train) -> None:
    images = (pattern_images[0], pattern_images[6])

    trained = train(ClassificationDataset(images, ("stripes", "dots"), multilabel=False))

    scores = ClassifierSession(trained.model_path).score(Path(images[0].path).read_bytes())
    assert scores[0] > 0.5
    figures = Evaluation.load(trained.evaluation_path).performance()
    assert figures.recall == 0  # each was predicted by a model that knew the other tag only


@pytest.mark.parametrize("multilabel", [False, True])
def test_one_image_altogether(pattern_images: tuple[LabelledImage, ...], multilabel: bool, train) -> None:
    dataset = ClassificationDataset(pattern_images[:1], ("stripes",), multilabel=multilabel)

    if not multilabel:
        with pytest.raises(TrainingFailed, match="needs two"):
            train(dataset)
    else:
        trained = train(dataset)
        assert Evaluation.load(trained.evaluation_path).count == 1


def test_images_that_look_the_same_are_undecided(tmp_path: Path, train) -> None:
    """Equal pixels in different files: nothing can be learned, and training must not fail."""
    pixels = drawn("dots", 1)
    files = [encoded(pixels, compress_level=level) for level in range(10)]
    images = tuple(kept(tmp_path, data, (number % 2,)) for number, data in enumerate(files))

    trained = train(ClassificationDataset(images, ("a", "b"), multilabel=False))

    assert ClassifierSession(trained.model_path).score(files[0]) == pytest.approx([0.5, 0.5], abs=0.01)


def test_an_image_given_twice_counts_once(
    patterns: ClassificationDataset, trained: TrainedClassifier, train
) -> None:
    doubled = replace(patterns, images=patterns.images + patterns.images[:5])

    again = train(doubled)

    assert again.image_count == 18
    assert again.model_path.read_bytes() == trained.model_path.read_bytes()


def test_files_that_cannot_be_read_are_skipped(
    patterns: ClassificationDataset, tmp_path: Path, train
) -> None:
    truncated = encoded(drawn("dots", 77))[:-40]
    broken = kept(tmp_path, truncated, (1,))
    missing = LabelledImage(str(tmp_path / "nowhere"), "f" * 64, (0,))

    trained = train(replace(patterns, images=(broken, missing, *patterns.images)))

    assert trained.image_count == 18
    assert sorted(trained.skipped) == sorted([broken.key, missing.key])


def test_a_tag_whose_images_are_all_broken_fails_the_training(
    patterns: ClassificationDataset, tmp_path: Path, train
) -> None:
    broken = tuple(kept(tmp_path, encoded(drawn("dots", number))[:-40], (1,)) for number in range(90, 95))
    others = tuple(image for image in patterns.images if image.labels != (1,))

    with pytest.raises(TrainingFailed, match="images of the tag dots could be read"):
        train(replace(patterns, images=others + broken))

    assert not (tmp_path / "model" / "model.onnx").exists()


def test_a_file_that_went_after_half_of_its_features_were_kept_is_skipped(
    patterns: ClassificationDataset, tmp_path: Path, train
) -> None:
    extra = kept(tmp_path, encoded(drawn("dots", 60)), (1,))
    dataset = replace(patterns, images=(*patterns.images, extra))
    train_classifier(
        dataset,
        replace(QUICK, mirror_up_to=0),
        seed=0,
        output=tmp_path / "plain",
        feature_cache=tmp_path / "cache",
        progress=lambda share, step: None,
    )
    Path(extra.path).unlink()

    trained = train(dataset, cache=tmp_path / "cache")

    assert trained.skipped == (extra.key,)


@pytest.mark.parametrize("labels", [(), (0, 1)])
def test_multiclass_needs_one_tag_an_image(
    patterns: ClassificationDataset, labels: tuple[int, ...], train
) -> None:
    images = (replace(patterns.images[0], labels=labels), *patterns.images[1:])

    with pytest.raises(TrainingFailed, match="exactly one"):
        train(replace(patterns, images=images))


def test_a_negative_image_must_have_no_other_tag(patterns: ClassificationDataset, train) -> None:
    images = (replace(patterns.images[0], labels=(0, 2)), *patterns.images[1:])

    with pytest.raises(TrainingFailed, match="negative tag"):
        train(replace(patterns, images=images, multilabel=True, negative=2))


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_that_is_no_tag_is_a_mistake_of_the_caller(
    patterns: ClassificationDataset, label: int, train
) -> None:
    images = (replace(patterns.images[0], labels=(label,)), *patterns.images[1:])

    with pytest.raises(ValueError, match="not the index"):
        train(replace(patterns, images=images))


@pytest.mark.parametrize("images", [(), "all missing"])
def test_nothing_to_learn_from(images: tuple[()] | str, tmp_path: Path, train) -> None:
    gone = tuple(LabelledImage(str(tmp_path / "gone"), f"{n:064x}", (n % 2,)) for n in range(10))

    with pytest.raises(TrainingFailed, match="could be read"):
        train(ClassificationDataset(gone if images else (), ("a", "b"), multilabel=False))


def test_a_folder_that_cannot_be_written_fails_the_training(
    patterns: ClassificationDataset, feature_cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(TrainingFailed, match=r"store its results.* can be written"):
        train_classifier(
            patterns,
            QUICK,
            seed=0,
            output=tmp_path / "file" / "model",
            feature_cache=feature_cache,
            progress=lambda share, step: None,
        )


def test_a_crash_while_writing_leaves_no_half_model(
    patterns: ClassificationDataset, tmp_path: Path, train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emulator.durable_files.os.fsync", full)

    with pytest.raises(TrainingFailed, match="disk is full"):
        train(patterns)

    assert list((tmp_path / "model").iterdir()) == []


def test_a_broken_cache_costs_time_only(
    patterns: ClassificationDataset, trained: TrainedClassifier, tmp_path: Path, train
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "features.sqlite").write_bytes(b"garbage" * 1000)

    again = train(patterns, cache=tmp_path / "cache")

    assert again.model_path.read_bytes() == trained.model_path.read_bytes()


def test_features_of_known_images_are_not_computed_again(
    patterns: ClassificationDataset, trained: TrainedClassifier, train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(data: bytes, resolution: int, fit: str) -> numpy.ndarray:
        raise AssertionError("a picture was decoded whose features are cached")

    monkeypatch.setattr(features, "resize_to_square", never)

    assert train(patterns).model_path.read_bytes() == trained.model_path.read_bytes()


def test_progress_rises_to_the_end(
    patterns: ClassificationDataset, feature_cache: Path, tmp_path: Path
) -> None:
    reported: list[tuple[float, str]] = []

    train_classifier(
        patterns,
        QUICK,
        seed=0,
        output=tmp_path / "model",
        feature_cache=tmp_path / "cache",
        progress=lambda share, step: reported.append((share, step)),
    )

    shares = [share for share, _ in reported]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert len(reported) > len(patterns.images)
    assert all(step for _, step in reported)


def test_large_trainings_do_without_mirror_images(
    patterns: ClassificationDataset, feature_cache: Path, tmp_path: Path, trained: TrainedClassifier
) -> None:
    plain = train_classifier(
        patterns,
        replace(QUICK, mirror_up_to=17),
        seed=0,
        output=tmp_path / "model",
        feature_cache=feature_cache,
        progress=lambda share, step: None,
    )

    assert plain.image_count == 18
    assert plain.model_path.read_bytes() != trained.model_path.read_bytes()


def test_images_are_scored_upright(tmp_path: Path, train) -> None:
    """Vertical and horizontal stripes: without the EXIF orientation the two would be confused."""
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = [kept(tmp_path, encoded(drawn("stripes", number, (96, 96))), (0,)) for number in range(8)]
    lying = [
        kept(tmp_path, encoded(drawn("stripes", number, (96, 96)).rotate(90)), (1,)) for number in range(8)
    ]

    trained = train(ClassificationDataset((*upright, *lying), ("upright", "lying"), multilabel=False))

    session = ClassifierSession(trained.model_path)
    turned = encoded(drawn("stripes", 500, (96, 96)), "JPEG", exif=exif)
    assert session.score(turned)[1] > 0.5


def test_every_classification_domain_has_a_recipe() -> None:
    assert recipe_for_domain(ClassifierRecipe, GENERAL) is recipe_for_domain(
        ClassifierRecipe, GENERAL.upper()
    )
    with pytest.raises(KeyError):
        recipe_for_domain(
            ClassifierRecipe, "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
        )  # General, of object detection


@pytest.mark.skipif(
    not (DATA / "quickstart").is_dir(),
    reason="the quickstart's photographs are not there: put them into ../shared/data/quickstart",
)
@pytest.mark.parametrize("seed", range(3))
def test_the_quickstart_photograph_gets_its_tag(seed: int, tmp_path: Path, train) -> None:
    tags = ("Hemlock", "Japanese Cherry")
    images = [
        kept(tmp_path, file.read_bytes(), (label,))
        for label, tag in enumerate(tags)
        for file in sorted((DATA / "quickstart" / tag).iterdir())
    ]

    trained = train(ClassificationDataset(tuple(images), tags, multilabel=False), seed=seed)

    unseen = (DATA / "quickstart" / "Test" / "test_image.jpg").read_bytes()
    assert ClassifierSession(trained.model_path).score(unseen)[0] > 0.9
    evaluation = Evaluation.load(trained.evaluation_path)
    assert evaluation.performance().recall == 1
    assert len(evaluation.held_out()) == 4
