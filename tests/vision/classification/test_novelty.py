"""Images unlike all images of a training: no tag is probable, and nothing changes for others."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy
import pytest

from emulator.vision.classification import novelty
from emulator.vision.classification.cross_validation import TrainingSet
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage, TrainedClassifier
from emulator.vision.classification.features import Features
from emulator.vision.classification.head import FEATURE_LENGTH, LinearHead, probabilities
from emulator.vision.classification.model import classifying_network
from emulator.vision.classification.novelty import NoveltyFilter, filtered
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import train_classifier
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.graph import INPUT
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.recipes import QUICK
from tests.support.vision.images import PATTERNS, drawn, encoded

SIDE = 64


def photographs() -> list[bytes]:
    names = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
    return [(resources.files("skimage") / "data" / name).read_bytes() for name in names]


def scores_of(model: Path, images: list[bytes]) -> numpy.ndarray:
    session = ClassifierSession(model)
    return numpy.array([session.score(image) for image in images])


def clusters(spread: float, seed: int = 0) -> numpy.ndarray:
    """Forty vectors of length `FEATURE_LENGTH` around one direction of a hundred."""
    random = numpy.random.default_rng(seed)
    vectors = random.normal(scale=spread, size=(40, 100))
    vectors[:, 0] += 1
    return vectors * (FEATURE_LENGTH / numpy.linalg.norm(vectors, axis=1, keepdims=True))


FOLDS = (numpy.arange(40) % 5).astype(numpy.int8)


def fitted(features_ND: numpy.ndarray, regular_N: numpy.ndarray | None = None) -> NoveltyFilter:
    regular_N = numpy.ones(len(features_ND), bool) if regular_N is None else regular_N
    return NoveltyFilter.fit(of_single_views(features_ND), FOLDS, regular_N, resolution=224)


def of_single_views(features_ND: numpy.ndarray) -> TrainingSet:
    return TrainingSet(
        features_ND, numpy.arange(len(features_ND)), numpy.zeros((len(features_ND), 1)), True, 1.0
    )


def test_photographs_get_equal_probabilities_from_a_model_of_patterns(trained: TrainedClassifier) -> None:
    assert scores_of(trained.model_path, photographs()) == pytest.approx(1 / 3, abs=0.05)


def test_photographs_have_no_tag_in_a_multilabel_model(
    patterns: ClassificationDataset, feature_cache: Path, tmp_path: Path
) -> None:
    model = trained_on(replace(patterns, multilabel=True), feature_cache, tmp_path)

    assert scores_of(model, photographs()).max() < 0.05
    own = scores_of(model, [encoded(drawn(pattern, 100)) for pattern in PATTERNS])
    assert own.argmax(axis=1).tolist() == [0, 1, 2]
    assert own.max(axis=1).min() > 0.5


@pytest.mark.parametrize("multilabel", [False, True])
def test_photographs_get_the_negative_tag(
    patterns: ClassificationDataset, multilabel: bool, feature_cache: Path, tmp_path: Path
) -> None:
    dataset = replace(patterns, negative=1, multilabel=multilabel)

    scores_NT = scores_of(trained_on(dataset, feature_cache, tmp_path), photographs())

    assert scores_NT[:, 1].min() > 0.9
    assert scores_NT[:, [0, 2]].max() < 0.05


def trained_on(dataset: ClassificationDataset, feature_cache: Path, output: Path) -> Path:
    return train_classifier(
        dataset,
        QUICK,
        seed=0,
        output=output,
        feature_cache=feature_cache,
        progress=lambda share, step: None,
    ).model_path


def test_the_evaluation_is_of_filtered_probabilities(
    pattern_images: tuple[LabelledImage, ...],
    feature_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The only image of a pattern is unlike all others when it is held out."""
    monkeypatch.setattr(novelty, "_QUANTILE", 0.8)  # of 13 images, one is more than a hundredth
    images = pattern_images[:12] + pattern_images[12:13]
    dataset = ClassificationDataset(images, PATTERNS, multilabel=True)
    trained_on(dataset, feature_cache, tmp_path)

    evaluation = Evaluation.load(tmp_path / "evaluation.npz")

    alone = list(evaluation.keys).index(images[-1].key)
    others = numpy.delete(evaluation.probabilities_NT, alone, axis=0)
    assert evaluation.probabilities_NT[alone].max() < 0.1 < others.max(axis=1).min()


def test_held_out_images_are_like_the_training_and_distant_ones_are_not() -> None:
    wide = clusters(0.1)
    found = fitted(wide)

    assert found.limit > 0.45
    assert numpy.quantile(found.inliers_N, 0.02) > 0.9
    assert fitted(clusters(0.01)).limit == 0.45


def test_the_limit_does_not_depend_on_images_of_the_negative_tag() -> None:
    features_ND = clusters(0.01)
    features_ND[30:] = clusters(3.0)[30:]

    assert fitted(features_ND).limit > 0.8
    assert fitted(features_ND, numpy.arange(40) < 30).limit == 0.45


def test_the_filter_is_of_the_features_themselves_where_heads_read_their_roots() -> None:
    features = Features({str(row): vector for row, vector in enumerate(numpy.abs(clusters(0.1)))})
    keys, targets_NT = list(features.plain), numpy.ones((40, 1))
    plain, roots = (
        NoveltyFilter.fit(
            TrainingSet.of(
                features, keys, targets_NT, multilabel=True, inverse_regularisation=1.0, roots=each
            ),
            FOLDS,
            numpy.ones(40, bool),
            resolution=224,
        )
        for each in (False, True)
    )

    assert roots.limit == pytest.approx(plain.limit)
    numpy.testing.assert_allclose(roots.references_KD, plain.references_KD, atol=1e-9)


def test_references_are_spread_over_all_images() -> None:
    """Of many similar images and a few others, all of the others are references."""
    random = numpy.random.default_rng(0)
    features_ND = numpy.abs(random.normal(size=(1000, 20))) * 0.01
    features_ND[:, 0] += 1
    features_ND[500:520] = numpy.eye(20)
    features_ND *= FEATURE_LENGTH / numpy.linalg.norm(features_ND, axis=1, keepdims=True)

    found = NoveltyFilter.fit(
        of_single_views(features_ND), numpy.zeros(1000, numpy.int8), numpy.ones(1000, bool), resolution=224
    )

    assert len(found.references_KD) == 128
    assert found.references_KD[:, 1:].max(axis=0) == pytest.approx(1)
    # With a single fold nothing is held out, and nothing is taken for novel.
    assert found.inliers_N.min() > 0.99


@pytest.mark.parametrize("multilabel", [False, True])
def test_the_network_computes_the_filter(multilabel: bool) -> None:
    random = numpy.random.default_rng(0)
    backbone = backbone_network(QUICK.backbone, SIDE)
    head = LinearHead(random.normal(size=(1280, 3)), random.normal(size=3))
    novel_T = numpy.array([0.2, 0.5, 0.3])
    pixels = numpy.stack(
        [resize_to_square(image, SIDE) for image in [*photographs(), encoded(drawn("dots", 0))]]
    )
    (features_ND,) = inference_session(onnx_bytes(backbone, {}), 1).run(None, {INPUT: pixels})
    features_ND = features_ND.astype(float)
    features_ND *= FEATURE_LENGTH / numpy.linalg.norm(features_ND, axis=1, keepdims=True)
    references = features_ND[:2] / FEATURE_LENGTH
    similarities_NK = features_ND @ references.T / FEATURE_LENGTH
    distances_N = 1 - similarities_NK.max(axis=1)
    # Between the distances of images: some are like the references, some are not.
    fixed = NoveltyFilter(references, float(numpy.median(distances_N[2:])), numpy.zeros(0))
    network = fixed.applied(classifying_network(backbone, head, multilabel=multilabel), novel_T)

    (found_NT,) = inference_session(onnx_bytes(network, {}), 1).run(None, {INPUT: pixels})

    shares_NK = numpy.exp(100 * (similarities_NK - 1 + fixed.limit))
    inliers_N = shares_NK.sum(axis=1) / (shares_NK.sum(axis=1) + 1)
    known_NT = probabilities(head.logits(features_ND), multilabel=multilabel)
    assert inliers_N[:2] == pytest.approx(1)
    assert inliers_N.min() < 0.1
    numpy.testing.assert_allclose(found_NT, filtered(known_NT, inliers_N, novel_T), atol=1e-3)
    assert found_NT.max() <= 1
