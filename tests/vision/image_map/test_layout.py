"""The layout keeps neighbors together, as measured by scikit-learn on its photographs of digits."""

import numpy
import pytest
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from emulator.vision.image_map import layout
from emulator.vision.image_map.layout import arranged, is_arranged, reduced


@pytest.fixture(scope="module")
def digits() -> tuple[numpy.ndarray, numpy.ndarray]:
    features, labels = load_digits(return_X_y=True)
    return features[:600], labels[:600]


def same_label(places: numpy.ndarray, labels: numpy.ndarray) -> float:
    """The share of points whose nearest other point has their label."""
    apart = ((places[:, None] - places) ** 2).sum(axis=2)
    numpy.fill_diagonal(apart, numpy.inf)
    return float((labels[apart.argmin(axis=1)] == labels).mean())


def test_neighbors_in_the_map_are_neighbors_of_the_features(
    digits: tuple[numpy.ndarray, numpy.ndarray],
) -> None:
    features, labels = digits
    components = reduced(features)
    places = arranged(components)
    assert trustworthiness(components, places, n_neighbors=5) > 0.96
    assert trustworthiness(components, components[:, :2], n_neighbors=5) < 0.86
    assert same_label(places, labels) > 0.93
    assert places.min() >= 0
    assert places.max() <= 1
    assert (places.max(axis=0) - places.min(axis=0)).max() == pytest.approx(1, abs=1e-5)


def test_the_layout_is_always_the_same(digits: tuple[numpy.ndarray, numpy.ndarray]) -> None:
    features, _ = digits
    first, second = (arranged(reduced(features[:200])) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_points_beyond_the_limit_are_placed_among_their_neighbors(
    digits: tuple[numpy.ndarray, numpy.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MOST_ARRANGED", 300)
    features, labels = digits
    places = arranged(reduced(features))
    assert same_label(places, labels) > 0.85


def test_reduction_is_that_of_principal_components(digits: tuple[numpy.ndarray, numpy.ndarray]) -> None:
    from sklearn.decomposition import PCA

    features, _ = digits
    scaled = features / numpy.linalg.norm(features, axis=1, keepdims=True)
    theirs = PCA(10, svd_solver="full").fit_transform(scaled)
    ours = reduced(features, 10)
    assert numpy.allclose(numpy.abs(ours), numpy.abs(theirs), atol=1e-4)


@pytest.mark.parametrize("count", range(20))
def test_few_points(count: int) -> None:
    random = numpy.random.default_rng(count)
    places = arranged(reduced(random.normal(size=(count, 12))))
    assert places.shape == (count, 2)
    assert numpy.isfinite(places).all()
    assert is_arranged(count) == (count >= 8)


def test_equal_and_empty_features() -> None:
    for features in (numpy.ones((40, 5)), numpy.zeros((40, 5)), numpy.repeat(numpy.eye(4), 20, axis=0)):
        places = arranged(reduced(features))
        assert numpy.isfinite(places).all()
        assert len(numpy.unique(places, axis=0)) > 1


def test_progress_rises_to_the_end(digits: tuple[numpy.ndarray, numpy.ndarray]) -> None:
    reported: list[float] = []
    arranged(reduced(digits[0][:50]), reported.append)
    assert reported == sorted(reported)
    assert reported[-1] == pytest.approx(1)
