"""Training on crops of large images, and detection of small objects in tiles."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image

from emulator.vision.detection import advanced, large_image_crops
from emulator.vision.detection.advanced import scorable_in_time, train_advanced_detector
from emulator.vision.detection.augment import ImageCache
from emulator.vision.detection.calibration import PlattScaling
from emulator.vision.detection.dataset import DetectionDataset, Example
from emulator.vision.detection.finetune import ImageSource, fine_tune_detector, new_class_layers
from emulator.vision.detection.large_image_crops import Crops, crop_windows
from emulator.vision.detection.results import detect_all, evaluate_detections, serialize_detector
from emulator.vision.detection.scale import Scale, choose_scale, image_sizes
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.tiles import Tiling
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.recipes.recipes import ADVANCED_DETECTOR, AdvancedDetectorRecipe, recipe_for_domain
from emulator.vision.training.budget import Budget, OutOfTime
from tests.support.vision.advanced_training import BETTER, Ticks
from tests.support.vision.detection_images import COLOURS, SHAPES, TINY, kept, scene, scenes
from tests.support.vision.images import encoded

SIZE = (960, 720)
TILE, CROP, VIEW = 160, 128, 64
RECIPE = replace(
    ADVANCED_DETECTOR,
    resolutions=(64, TILE),
    wanted_side=24.0,
    tiles_below=16.0,
    overlaps=(32, 64),
    crop_size=CROP,
    window_size=VIEW,
    batch=4,
    small_set_learning_rate=1e-3,
)


def small_objects(folder: Path, numbers: range) -> DetectionDataset:
    """Images with objects of a thirtieth of their side."""
    images = []
    for number in numbers:
        small, boxes = scene(number)
        random = numpy.random.default_rng([8, number])
        ground = random.integers(90, 150, (SIZE[1] // 4, SIZE[0] // 4, 3), numpy.uint8)
        picture = Image.fromarray(ground).resize(SIZE)
        corner = (
            int(random.integers(0, SIZE[0] - small.width)),
            int(random.integers(0, SIZE[1] - small.height)),
        )
        picture.paste(small, corner)
        placed = [
            replace(
                box,
                left=(box.left * small.width + corner[0]) / SIZE[0],
                top=(box.top * small.height + corner[1]) / SIZE[1],
                width=box.width * small.width / SIZE[0],
                height=box.height * small.height / SIZE[1],
            )
            for box in boxes
        ]
        images.append(kept(folder, encoded(picture), placed))
    return DetectionDataset(tuple(images), SHAPES)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DetectionDataset:
    return small_objects(tmp_path_factory.mktemp("large"), range(10))


def loaded(dataset: DetectionDataset) -> list[Example]:
    return ImageCache().load(dataset.images, lambda share: None)


def cut_up(dataset: DetectionDataset, tiling: Tiling, seed: int = 0) -> tuple[Crops, list[list[Example]]]:
    crops = Crops(tiling, TILE, CROP, seed)
    return crops, crops.load(loaded(dataset), lambda share: None)


def average_precision(weights: dict, tested: DetectionDataset, tiling: Tiling | None) -> float:
    content = serialize_detector(tested, replace(TINY, resolution=TILE), weights, PlattScaling(), tiling)
    session = DetectorSession(content)
    assert session.tiling == tiling
    examples = loaded(tested)
    found = detect_all([(session, example) for example in examples], lambda share: None)
    evaluation, _ = evaluate_detections(tested, examples, numpy.zeros(len(examples), numpy.int8), found)
    return evaluation.performance(overlap_threshold=0.5).average_precision


def test_tiles_find_what_one_look_does_not_show(dataset: DetectionDataset, tmp_path: Path) -> None:
    """When a whole image is scored, its objects have five pixels."""
    scale = choose_scale(loaded(dataset), RECIPE, image_sizes(dataset.images))
    assert scale.tiling is not None
    crops, of_pictures = cut_up(dataset, scale.tiling)

    def learned(examples: list[Example], source: ImageSource, scale: Scale) -> dict[str, numpy.ndarray]:
        start = {**published_weights(), **new_class_layers(len(SHAPES), 0)}
        return fine_tune_detector(
            examples, source, start, len(SHAPES), RECIPE.fine_tuning(len(examples)), scale,
            steps=60, seed=[0], budget=Budget(1e9), progress=lambda share: None,
        )  # fmt: skip

    in_tiles = learned([crop for some in of_pictures for crop in some], crops, scale)
    pictures = ImageCache()
    at_once = learned(pictures.load(dataset.images, lambda share: None), pictures, Scale(TILE, TILE / VIEW))
    unseen = small_objects(tmp_path, range(50, 54))
    with_tiles = average_precision(in_tiles, unseen, scale.tiling)
    without = average_precision(at_once, unseen, None)
    assert with_tiles > 0.8, (with_tiles, without)
    assert with_tiles > without + 0.1, (with_tiles, without)


def test_a_training_chooses_tiles_by_itself_and_repeats(
    dataset: DetectionDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advanced, "plan_steps", lambda *_: 2)
    monkeypatch.setattr(advanced, "compare_detectors", lambda *_: BETTER)
    reported: list[float] = []
    first, second = (
        train_advanced_detector(
            dataset,
            TINY,
            RECIPE,
            budget_seconds=1000.0,
            seed=0,
            output=tmp_path / name,
            feature_cache=tmp_path / f"features of {name}",
            progress=lambda share, step: reported.append(share),
            clock=Ticks(0.0),
        )
        for name in ("first", "second")
    )

    assert first.model_path.read_bytes() == second.model_path.read_bytes()
    assert first.evaluation_path.read_bytes() == second.evaluation_path.read_bytes()
    session = DetectorSession(first.model_path)
    assert session.resolution == TILE
    assert session.tiling == choose_scale(loaded(dataset), RECIPE, image_sizes(dataset.images)).tiling
    assert session.tiling is not None
    assert reported == sorted(reported[: len(reported) // 2]) + sorted(reported[len(reported) // 2 :])


# --- the scale ----------------------------------------------------------------------------------------------


def boxes_of(side: float, count: int = 40) -> Example:
    left = numpy.linspace(0, 1 - side, count)
    boxes = numpy.stack([left, left, left + side, left + side], 1)
    return Example("key", "path", boxes, numpy.zeros(count, int))


@pytest.mark.parametrize(
    ("pixels", "size", "side"),
    [
        (20, (5000, 5000), 4992),  # not larger than the picture is
        (27, (4000, 4000), 4000),
        (56, (4000, 4000), 1984),  # as large as the objects need it
        (20, (8000, 8000), 5120),  # nor than the limit
        (100, (4000, 4000), None),  # 24 pixels of 960: one look shows them
        (10, (1100, 1100), None),  # one look at 960 pixels shows nearly as much
    ],
)
def test_tiles_are_as_large_as_small_objects_need(
    pixels: int, size: tuple[int, int], side: int | None
) -> None:
    scale = choose_scale([boxes_of(pixels / size[0])], ADVANCED_DETECTOR, [size] * 3)
    assert (scale.tiling and scale.tiling.side) == side
    assert scale.resolution == 960
    assert scale.magnification == (3.0 if side is None else 2.0)


def test_overlaps_follow_the_longest_objects_and_longer_ones_are_detected_in_the_whole_image() -> None:
    small, long = (
        boxes_of(0.0065),
        Example("k", "p", numpy.array([[0.1, 0.1, 0.9, 0.2]]), numpy.zeros(1, int)),
    )
    even = choose_scale([small], ADVANCED_DETECTOR, [(4000, 4000)]).tiling
    mixed = choose_scale([small, long], ADVANCED_DETECTOR, [(4000, 4000)]).tiling
    longer = Example("k", "p", long.boxes.repeat(10, axis=0), numpy.zeros(10, int))
    mostly_long = choose_scale([small, longer], ADVANCED_DETECTOR, [(4000, 4000)]).tiling
    assert even == Tiling(4000, 64, whole=False)
    assert mixed == replace(even, whole=True)
    assert mostly_long == replace(even, overlap=320, whole=True)


def test_exports_promise_a_size_so_compact_domains_have_no_tiles() -> None:
    compact = recipe_for_domain(AdvancedDetectorRecipe, "7ec2ac80-887b-48a6-8df9-8b1357765430")
    scale = choose_scale([boxes_of(0.005)], compact, [(4000, 4000)])
    assert scale == Scale(320, 1.0)


# --- crops -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True])
def test_crops_show_their_boxes(dataset: DetectionDataset, whole: bool) -> None:
    tiling = Tiling(560, 32, whole)
    crops, of_pictures = cut_up(dataset, tiling)
    examples = loaded(dataset)
    count = 0
    for example, own in zip(examples, of_pictures, strict=True):
        assert {tag for crop in own for tag in crop.tags.tolist()} == set(example.tags.tolist())
        assert any(not len(crop.tags) for crop in own), "some show background alone"
        for crop in own:
            picture = numpy.asarray(crops.get(crop)).astype(int)
            assert picture.shape == (CROP, CROP, 3)
            red, blue = picture[..., 0] - picture[..., 2] > 120, picture[..., 2] - picture[..., 0] > 120
            for box, tag in zip(crop.boxes, crop.tags, strict=True):
                left, top, right, bottom = (box * CROP).round().astype(int)
                inside = (red, blue)[tag][top:bottom, left:right]
                assert inside.mean() > 0.6, COLOURS[tag]
                count += 1
    assert count >= sum(len(example.tags) for example in examples)


def test_crops_repeat_and_their_number_has_a_limit(
    dataset: DetectionDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiling = Tiling(560, 32, whole=False)
    (one, first), (other, second) = cut_up(dataset, tiling), cut_up(dataset, tiling)
    for some, more in zip(first, second, strict=True):
        assert [crop.key for crop in some] == [crop.key for crop in more]
        for crop, same in zip(some, more, strict=True):
            assert one.get(crop).tobytes() == other.get(same).tobytes()

    monkeypatch.setattr(large_image_crops, "_MAX_CROPS", 5)
    assert sorted(len(some) for some in cut_up(dataset, tiling)[1]) == [0] * 5 + [1] * 5


def test_missing_images_have_no_crops_and_images_without_boxes_have_some(tmp_path: Path) -> None:
    dataset = scenes(tmp_path, range(3))
    empty = kept(tmp_path, encoded(Image.new("RGB", SIZE, "grey")), [])
    examples = loaded(replace(dataset, images=(*dataset.images, empty)))
    Path(dataset.images[1].path).unlink()
    crops = Crops(Tiling(400, 32, whole=False), TILE, CROP, 0)
    of_pictures = crops.load(examples, lambda share: None)
    assert [len(some) > 0 for some in of_pictures] == [True, False, True, True]
    assert all(not len(crop.tags) for crop in of_pictures[3])


@pytest.mark.parametrize("size", [(500, 400), (500, 60), (90, 500), (100, 100), (30, 20)])
def test_places_of_crops(size: tuple[int, int]) -> None:
    random = numpy.random.default_rng(0)
    extent = numpy.array(size, float)
    corners = random.uniform(0, 0.8, (20, 2)) * extent
    boxes = numpy.concatenate([corners, corners + random.uniform(1, 0.2 * extent, (20, 2))], axis=1)
    places = crop_windows(boxes, extent, 100, random, most=100)

    for box in boxes:
        assert any((place[:2] <= box[:2]).all() and (box[2:] <= place[2:]).all() for place in places)
    for place in places:
        assert (place[2:] - place[:2]).tolist() == pytest.approx([100, 100])
        assert (place[:2] >= 0).all()
        assert (place[:2] <= (extent - 100).clip(0) + 1e-9).all()
    assert len(crop_windows(boxes, extent, 100, random, most=2)) <= 2
    assert len(crop_windows(boxes[:0], extent, 100, random, most=9)) > 0


# --- time ---------------------------------------------------------------------------------------------------


class Slow:
    """A session that takes two seconds per image."""

    now = 0.0

    def score(self, data: bytes) -> None:
        self.now += 2.0


@pytest.mark.parametrize(("seconds", "scored"), [(100, 10), (20, 10), (19, 5), (10, 5), (8, None)])
def test_no_more_images_are_scored_than_there_is_time_for(
    dataset: DetectionDataset, seconds: float, scored: int | None
) -> None:
    session, examples = Slow(), loaded(dataset)
    if scored is None:
        with pytest.raises(OutOfTime):
            scorable_in_time(session, examples, seconds - 2, lambda: session.now)  # type: ignore[arg-type]
    else:
        chosen, needed = scorable_in_time(session, examples, seconds, lambda: session.now)  # type: ignore[arg-type]
        assert chosen == examples[:scored]
        assert needed == 2 * scored


def test_batches_without_objects_can_be_trained_on(tmp_path: Path) -> None:
    """They contain no information about the edges of boxes."""
    empty = kept(tmp_path, encoded(Image.new("RGB", (160, 120), "grey")), [])
    pictures = ImageCache()
    examples = pictures.load((*scenes(tmp_path, range(2)).images, empty), lambda share: None)
    recipe = replace(RECIPE, batch=1).fine_tuning(len(examples))
    start = {**published_weights(), **new_class_layers(len(SHAPES), 0)}
    weights = fine_tune_detector(
        examples, pictures, start, len(SHAPES), recipe, Scale(TILE, 1.0),
        steps=6, seed=[0], budget=Budget(1e9), progress=lambda share: None,
    )  # fmt: skip
    assert all(numpy.isfinite(weight).all() for weight in weights.values())


def test_cutting_ends_when_the_time_is_over(
    dataset: DetectionDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_image_crops, "processor_count", lambda: 1)
    opened: list[bytes] = []
    monkeypatch.setattr(
        large_image_crops, "open_rgb", lambda data, target: opened.append(data) or Image.new("RGB", SIZE)
    )

    def over(share: float) -> None:
        raise OutOfTime

    with pytest.raises(OutOfTime):
        Crops(Tiling(560, 32, whole=False), TILE, CROP, 0).load(loaded(dataset) * 20, over)
    assert len(opened) < 100
