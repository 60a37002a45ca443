"""Classifiers that score tiles of large images: when they are tried, what they learn, and their models."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image, ImageDraw

from emulator.vision.backbones.base_models import starting_backbone
from emulator.vision.classification import candidates, search_finetune, search_tiles
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    TrainedClassifier,
)
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.tile_training import training as tile_training
from emulator.vision.classification.tile_training.training import tiles_fit
from emulator.vision.classification.train import train_classifier
from emulator.vision.domain_training import training_for_domain
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.exports.formats import ExportFailed, ExportOrder
from emulator.vision.exports.stored_model import read_stored_model
from emulator.vision.heat_maps.mapper import HeatMapper
from emulator.vision.networks.model_file import TILING, read_model
from emulator.vision.recipes.domains import domains
from emulator.vision.recipes.recipes import LATE_LAYERS
from emulator.vision.recipes.tiles import TILES, TilesRecipe
from emulator.vision.training.attempts import Outcome
from emulator.vision.training.errors import LossNotFinite
from tests.support.vision.advanced_training import SMALL as SMALL_ADVANCED
from tests.support.vision.advanced_training import SMALL_QUICK, Ticks, digest
from tests.support.vision.images import encoded, kept

# Few tiles of few pixels.
SMALL = replace(
    TILES,
    overlap=16,
    most=12,
    min_side=100,
    min_images=12,
    min_mistakes=1,
    components=32,
    most_crops=60,
    epochs=1,
)
SIZE = (200, 152)
LATE = (*(f"_blocks.{number}." for number in range(11, 16)), "_conv_head")
SMALL_TILES = replace(SMALL_QUICK, late_layers=False)
Train = Callable[..., TrainedClassifier]


def part(number: int, defect: str | None, size: tuple[int, int] = SIZE) -> Image.Image:
    """A grey surface, with a cross or a disc of 12 pixels somewhere."""
    random = numpy.random.default_rng(number)
    surface = random.normal(128, 4, (size[1], size[0], 3)).clip(0, 255).astype(numpy.uint8)
    image = Image.fromarray(surface)
    left, top = (int(random.integers(2, side - 14)) for side in size)
    drawing = ImageDraw.Draw(image)
    if defect == "cross":
        drawing.line((left, top, left + 12, top + 12), fill=(250, 20, 20), width=3)
        drawing.line((left + 12, top, left, top + 12), fill=(250, 20, 20), width=3)
    elif defect == "disc":
        drawing.ellipse((left, top, left + 12, top + 12), fill=(20, 20, 250))
    return image


def parts(folder: Path, *, multilabel: bool, each: int = 8) -> ClassificationDataset:
    kinds = ((None, ()), ("cross", (0,)), ("disc", (1,))) if multilabel else (("cross", (0,)), ("disc", (1,)))
    images = tuple(
        kept(folder, encoded(part(100 * kind + number, defect)), labels)
        for kind, (defect, labels) in enumerate(kinds)
        for number in range(each)
    )
    return ClassificationDataset(images, ("cross", "disc"), multilabel)


@pytest.fixture
def train(tmp_path: Path, feature_cache: Path) -> Train:
    def run(
        dataset: ClassificationDataset,
        recipe: TilesRecipe = SMALL,
        *,
        output: str = "model",
        min_images: int = 10_000,
        progress: Callable[[float, str], None] = lambda share, step: None,
    ) -> TrainedClassifier:
        return train_classifier(
            dataset,
            SMALL_TILES,
            seed=0,
            output=tmp_path / output,
            feature_cache=feature_cache,
            progress=progress,
            late_layers=replace(LATE_LAYERS, min_images=min_images),
            tiles=recipe,
            clock=Ticks(0.0),
        )

    return run


@pytest.fixture
def won(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles win every comparison, also where whole images make no mistakes."""
    monkeypatch.setattr(
        candidates.CandidateComparison,
        "replaces",
        lambda self, challenger, champion: challenger.name.startswith("tiles"),
    )
    monkeypatch.setattr(candidates.CandidateComparison, "mistakes", lambda self, candidate: 100.0)
    monkeypatch.setattr(tile_training._Attempt, "_promising", lambda self, *_: True)


def scores(trained: TrainedClassifier, image: Image.Image) -> list[float]:
    return ClassifierSession(trained.model_path).score(encoded(image))


@pytest.mark.slow
def test_a_model_of_tiles_finds_small_details(tmp_path: Path, train: Train, won: None) -> None:
    steps: list[tuple[float, str]] = []
    trained = train(
        parts(tmp_path, multilabel=True), progress=lambda share, step: steps.append((share, step))
    )

    crosses = [scores(trained, part(7000 + number, "cross")) for number in range(4)]
    none = [scores(trained, part(8000 + number, None)) for number in range(4)]
    assert min(score[0] for score in crosses) > 2 * max(score[0] for score in none)
    assert max(score[1] for score in crosses) < 0.5
    # Images of other sizes are scored at their own scale.
    assert (
        scores(trained, part(7000, "disc", (420, 300)))[1] > scores(trained, part(7000, None, (420, 300)))[1]
    )
    evaluation = Evaluation.load(trained.evaluation_path)
    assert set(evaluation.folds.tolist()) == {0, 1}, "the folds whose models were trained without them"
    shares = [share for share, _ in steps]
    assert shares == sorted(shares) and "Training on tiles" in {step for _, step in steps}
    assert "tiles" in trained.seconds


@pytest.mark.slow
def test_same_images_and_seed_give_the_same_bytes(tmp_path: Path, train: Train, won: None) -> None:
    dataset = parts(tmp_path, multilabel=False)
    shuffled = replace(dataset, images=dataset.images[::-1])

    first = train(dataset, min_images=1)
    again = train(shuffled, output="again", min_images=1)
    assert "tiles" in first.seconds
    assert first.report is not None
    assert first.report.attempts[-1].outcome == Outcome.FINISHED
    assert digest(first) == digest(again)


@pytest.mark.slow
def test_late_layers_are_trained_on_the_highest_windows(
    tmp_path: Path, train: Train, won: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[numpy.ndarray] = []
    fine_tune = tile_training.fine_tune

    def watched(*arguments: Any, **more: Any) -> Any:
        seen.append(arguments[1].targets_NT)
        return fine_tune(*arguments, **more)

    monkeypatch.setattr(tile_training, "fine_tune", watched)
    dataset = parts(tmp_path, multilabel=True)
    frozen = train(dataset)
    assert not seen, "there are too few images"
    monkeypatch.setattr(
        candidates.CandidateComparison,
        "replaces",
        lambda self, challenger, champion: challenger.name == "tiles with late layers",
    )
    trained = train(dataset, output="trained", min_images=1)

    assert len(seen) == 2 and all(0 < len(targets) <= SMALL.most_crops for targets in seen)
    # Parts that show a tag, at most two an image, and parts that show none.
    assert all(set(targets.sum(axis=1).tolist()) == {0, 1} for targets in seen)
    assert all((targets.sum(axis=0) <= 2 * 8).all() for targets in seen)
    backbone = starting_backbone(trained.model_path)
    before = starting_backbone(frozen.model_path)
    assert backbone is not None and before is not None
    assert backbone.outputs == before.outputs == {"features": (1280,)}
    changed = {
        name
        for name, weight in before.weights.items()
        if not numpy.array_equal(weight, backbone.weights[name])
    }
    assert changed and all(name.startswith(LATE) for name in changed)


@pytest.mark.slow
@pytest.mark.parametrize("error", [LossNotFinite(), MemoryError(), OSError(5, "unreadable")])
def test_the_model_of_whole_images_remains_after_an_error(
    tmp_path: Path, train: Train, won: None, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(tile_training, "window_scores", fails)
    trained = train(parts(tmp_path, multilabel=False))

    assert TILING not in read_model(trained.model_path.read_bytes())[0]


@pytest.mark.slow
def test_the_head_remains_after_an_error_in_the_training_of_layers(
    tmp_path: Path, train: Train, won: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise LossNotFinite

    monkeypatch.setattr(tile_training, "fine_tune", fails)
    trained = train(parts(tmp_path, multilabel=False), min_images=1)

    assert TILING in read_model(trained.model_path.read_bytes())[0]


@pytest.mark.slow
def test_whole_images_remain_where_they_are_as_good(tmp_path: Path, train: Train) -> None:
    """Large images of one colour each."""
    random = numpy.random.default_rng(0)
    images = tuple(
        kept(
            tmp_path,
            encoded(Image.fromarray((random.normal(128, 4, (152, 200, 3)) + colour).astype(numpy.uint8))),
            (label,),
        )
        for label, colour in enumerate(((60, 0, 0), (0, 0, 60)))
        for _ in range(8)
    )
    trained = train(ClassificationDataset(images, ("red", "blue"), False))

    assert TILING not in read_model(trained.model_path.read_bytes())[0]


@pytest.mark.slow
@pytest.mark.parametrize(("most", "chosen"), [(0.0, False), (1e9, True)])
def test_a_few_images_tell_whether_tiles_are_worth_their_time(
    tmp_path: Path, train: Train, won: None, monkeypatch: pytest.MonkeyPatch, most: float, chosen: bool
) -> None:
    looked: list[int] = []
    window_scores = tile_training.window_scores

    def watched(images: Any, *arguments: Any) -> Any:
        looked.append(len(images))
        return window_scores(images, *arguments)

    monkeypatch.setattr(tile_training, "window_scores", watched)
    trained = train(parts(tmp_path, multilabel=True), replace(SMALL, probed=9, most_loss=most))

    assert looked == ([8, 16] if chosen else [8])
    assert (TILING in read_model(trained.model_path.read_bytes())[0]) is chosen


@pytest.mark.slow
def test_images_of_all_sizes_are_learned_from_and_scored(tmp_path: Path, train: Train, won: None) -> None:
    """Some are smaller than a tile, some have more tiles than are allowed, some are thinner than a tile."""
    sizes = [SIZE, (600, 400), (30, 40), (900, 40), (40, 900)]
    images = tuple(
        kept(tmp_path, encoded(part(100 * label + number, kind, sizes[number % len(sizes)])), (label,))
        for label, kind in enumerate(("cross", "disc"))
        for number in range(15)
    )
    trained = train(ClassificationDataset(images, ("cross", "disc"), False), min_images=1)

    assert TILING in read_model(trained.model_path.read_bytes())[0]
    for size in [*sizes, (20, 20), (2000, 90)]:
        found = scores(trained, part(1, "cross", size))
        assert sum(found) == pytest.approx(1, abs=1e-5) and all(0 <= score <= 1 for score in found)


def test_tiles_need_many_large_images(tmp_path: Path) -> None:
    large = list(parts(tmp_path, multilabel=False).images)
    small = [kept(tmp_path, encoded(part(number, None, (90, 80))), (0,)) for number in range(16)]
    missing = [LabelledImage(str(tmp_path / "missing.png"), str(number), (0,)) for number in range(16)]

    assert tiles_fit(large, SMALL)
    assert not tiles_fit(small, SMALL)
    assert not tiles_fit(large[:5], SMALL)
    assert not tiles_fit(large, replace(SMALL, most_of_all=4 * len(large) - 1)), "too few tiles for each"
    assert not tiles_fit(missing, SMALL)


@pytest.mark.parametrize(("domain", "allowed"), [("General", True), ("General (compact)", False)])
@pytest.mark.parametrize(("seconds", "tiles"), [(90.0, 10_000), (45.0, 5_000), (0.0, 0), (1000.0, 10_000)])
def test_the_domain_and_the_time_of_quick_trainings_limit_the_tiles(
    tmp_path: Path, domain: str, allowed: bool, seconds: float, tiles: int
) -> None:
    training = training_for_domain(
        ClassificationDataset((), ("a", "b"), multilabel=False),
        domains().named(domain, "Classification").id,
        budget_seconds=None,
        seed=0,
        output=tmp_path,
        feature_cache=tmp_path,
        quick_seconds=seconds,
    )

    assert isinstance(training, partial)
    assert training.args[-1].tiles is allowed
    assert training.keywords["tiles"].most_of_all == tiles


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "tried"), [(1000.0, True), (5.0, False)])
def test_advanced_training_tries_tiles_where_there_is_time(
    tmp_path: Path,
    feature_cache: Path,
    won: None,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    tried: bool,
) -> None:
    monkeypatch.setattr(search_tiles, "TILES", SMALL)
    monkeypatch.setattr(search_tiles, "LATE_LAYERS", replace(LATE_LAYERS, min_images=10_000))
    monkeypatch.setattr(search_finetune, "planned", lambda *_, **__: None)
    trained = train_advanced_classifier(
        parts(tmp_path, multilabel=True),
        SMALL_TILES,
        SMALL_ADVANCED,
        budget_seconds=seconds,
        seed=0,
        output=tmp_path / "model",
        feature_cache=feature_cache,
        progress=lambda share, step: None,
        clock=Ticks(0.0),
    )

    assert (TILING in read_model(trained.model_path.read_bytes())[0]) is tried
    assert len(scores(trained, part(1, "cross"))) == 2


@pytest.mark.slow
def test_heat_maps_show_where_the_detail_is(tmp_path: Path, train: Train, won: None) -> None:
    trained = train(parts(tmp_path, multilabel=True))
    image = part(7000, None, (330, 152))
    ImageDraw.Draw(image).ellipse((280, 100, 292, 112), fill=(20, 20, 250))
    found = HeatMapper(trained.model_path).heat_map(encoded(image), 1)

    assert found.method == "TileActivation" and found.probability == pytest.approx(scores(trained, image)[1])
    assert (found.width, found.height) == (330, 152) and found.values_HW.max() == 1
    rows, columns = found.values_HW.shape
    row, column = divmod(int(found.values_HW.argmax()), columns)
    assert (column + 1) / columns > 280 / 330 and (row + 1) / rows > 100 / 152


@pytest.mark.slow
def test_models_of_tiles_are_not_exported(tmp_path: Path, train: Train, won: None) -> None:
    trained = train(parts(tmp_path, multilabel=True))
    order = ExportOrder(
        str(trained.model_path),
        "ONNX",
        None,
        "General (compact)",
        "Classification",
        "Multilabel",
        ("cross", "disc"),
        "project",
        "iteration",
        datetime(2026, 1, 1, tzinfo=UTC),
    )

    with pytest.raises(ExportFailed, match="tiles of large images"):
        read_stored_model(order)
