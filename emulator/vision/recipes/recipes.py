"""How models are trained, and which recipe the training of a domain follows. Cheap to import.

The classes here say what there is to decide; the data file `models/domains.toml` says where a domain decides
otherwise than by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from emulator.vision.recipes.domains import DomainType, domains


@dataclass(frozen=True)
class ClassifierRecipe:
    """How a classifier is trained: frozen features of a pretrained network and a linear head on top.

    Attributes:
        backbone: name of the network, a key of `base_weights.BASE_WEIGHTS`.
        resolution: side in pixels of the square that every picture is stretched to.
        mirror_up_to: trainings of at most this many images also learn from each picture's mirror image. It is
            worth a percent of the log loss and a tenth of a percent of accuracy: good value where it takes a
            second, and poor where it takes ten.
        fully_regularised_from: number of images from which the head is regularised with C = 1. C grows as the
            number falls, up to 10: with C = 1, probabilities on twenty images are far too timid, and so few
            images cannot tell the calibration by how much.
    """

    backbone: str = "efficientnet-lite0"
    resolution: int = 224
    mirror_up_to: int = 500
    fully_regularised_from: int = 200

    def inverse_regularisation(self, image_count: int) -> float:
        """C of the logistic regression (see `head.fit_linear_head`) for a training of so many images."""
        return min(10.0, max(1.0, self.fully_regularised_from / image_count))


QUICK = ClassifierRecipe()


@dataclass(frozen=True)
class FineTuningRecipe:
    """How a pretrained classification network is trained further.

    Attributes:
        rate: of AdamW, at its highest; it rises over the warm-up and then falls along a cosine to nothing.
        head_factor: times as fast as the rest, for the head.
        weight_decay: of weights, not of biases.
        warm_up_steps: at most; never more than a fifth of all.
        longest_gradient: longer ones are cut to this length.
        batch: pictures a step.
        frozen_to_stride: layers that look more finely than one position in so many pixels stay as they are:
            edges and textures are the same everywhere, and they are half of the work.
        largest_shift: of a picture, as a share of its side.
        mixup: both parameters of the beta distribution that says how much of another picture is mixed in.
        label_smoothing: how much of a target is spread over all tags.
    """

    rate: float = 3e-4
    head_factor: float = 10.0
    weight_decay: float = 0.05
    warm_up_steps: int = 50
    longest_gradient: float = 1.0
    batch: int = 16
    frozen_to_stride: int = 16
    largest_shift: float = 1 / 16
    mixup: float = 0.2
    label_smoothing: float = 0.05


FINE_TUNING = FineTuningRecipe()


@dataclass(frozen=True)
class AdvancedRecipe:
    """What an advanced training of a classifier tries.

    Attributes:
        backbones: networks that look at the picture side by side (see `base_weights.backbone_network`), for
            models that are not exported; none for those that are.
        resolution: side in pixels of what these look at, and of what is fine-tuned on for such models.
        regularisations: factors on `ClassifierRecipe.inverse_regularisation`.
        fine_tuning: how its coarse layers are trained.
        tiny_side, tiny_resolution: pictures whose sides are no longer than that are fine-tuned on in this
            size: a larger one would only cost time.
        large_resolution: pictures at least as large are looked at in this size, too, for the sake of small
            defects; where that is best, they are fine-tuned on in it.
        fewest_epochs: with time for fewer, nothing is fine-tuned.
        enough_epochs: models are left without other parts of the images only if there is time for so many.
        most_epochs: more bring nothing; models without other parts of the images do.
        fewest_folds: so many models that leave out a part of the images, if there is time.
        enough_evaluated: so many images that a model has not seen are enough to judge it.
        shares: of the frozen network in what it and the fine-tuned one say together.
    """

    backbones: str | None = None
    resolution: int = 256
    regularisations: tuple[float, ...] = (1.0, 0.3, 3.0)
    fine_tuning: FineTuningRecipe = FINE_TUNING
    tiny_side: int = 64
    tiny_resolution: int = 160
    large_resolution: int = 448
    fewest_epochs: int = 2
    enough_epochs: int = 8
    most_epochs: int = 20
    fewest_folds: int = 2
    enough_evaluated: int = 100
    shares: tuple[float, ...] = (0.25, 0.5)


ADVANCED = AdvancedRecipe("efficientnet-lite0+efficientnet-lite2")
ADVANCED_COMPACT = AdvancedRecipe()


@dataclass(frozen=True)
class DetectorRecipe:
    """How a detector is trained: the head of NanoDet-g on its frozen body, with new layers for the tags.

    Attributes:
        resolution: side in pixels of the square that every picture is stretched to.
        input_resolution: side of the pictures that the model takes, if it is another; it scales them itself.
        batch: views a step.
        fewest_steps, most_steps, steps_an_image: how long it learns; the last decides within the first two.
        warm_up_steps: steps until the learning rate is full; it then falls along a cosine.
        rate, class_rate: full learning rates, of the layers that start from COCO and of the new ones.
        enough_evaluated: so many images are predicted by heads that have not seen them, if it takes no more
            than `most_evaluated_folds` heads, each without a fifth of the images.
        most_in_fold: sets of which a fifth is more are divided into more parts.
    """

    resolution: int = 320
    input_resolution: int | None = None
    batch: int = 8
    fewest_steps: int = 120
    most_steps: int = 400
    steps_an_image: int = 4
    warm_up_steps: int = 15
    rate: float = 1e-3
    class_rate: float = 5e-3
    enough_evaluated: int = 80
    most_evaluated_folds: int = 3
    most_in_fold: int = 200

    def steps(self, image_count: int) -> int:
        """Steps of a training on so many images."""
        return min(self.most_steps, max(self.fewest_steps, self.steps_an_image * image_count))

    def folds(self, image_count: int) -> tuple[int, int]:
        """Into how many folds so many images are divided, and how many of them are evaluated."""
        fold_count = min(100, max(5, -(-image_count // self.most_in_fold)))
        evaluated = -(-self.enough_evaluated * fold_count // max(1, image_count))
        return fold_count, min(self.most_evaluated_folds, evaluated)


QUICK_DETECTOR = DetectorRecipe()


@dataclass(frozen=True)
class AdvancedDetectorRecipe:
    """How a whole detector is trained.

    Attributes:
        resolutions: sides in pixels that pictures may be scored in; the first is that of quick training.
        wanted_side: small boxes (the first quartile) should be so many pixels large: the size that pictures
            are scored in is the smallest one in which they are, and no larger than the pictures.
        tiles_below: where small boxes measure fewer pixels even in the largest of `resolutions`, pictures are
            looked at in tiles of that size; 0 for never.
        largest_side: in tiles, pictures are scaled to the area of a square of at most so many pixels a side.
        overlaps: between neighbouring tiles, at least and at most, in pixels: it is chosen by the boxes.
        crop_size: side in pixels of the crops of tiled images that are learned from.
        share_of_scoring: of the budget, at most, for looking at tiles of pictures to judge what was learned.
        view: side in pixels of what is learned from: windows of pictures, at the scale they are scored in.
        batch: views a step.
        rate, rate_of_few: of AdamW, at its highest; the second for fewer than `few` images.
        class_factor: times as fast as the rest, for the new layers.
        weight_decay: of weights, not of biases.
        warm_up_steps: at most; never more than a fifth of all.
        longest_gradient: longer ones are cut to this length.
        fewest_steps: with time for fewer, nothing is trained.
        most_steps, steps_an_image: more bring nothing; the second decides between the first and `most_steps`.
    """

    resolutions: tuple[int, ...] = (320, 416, 640, 960)
    wanted_side: float = 28.0
    tiles_below: float = 20.0
    largest_side: int = 5120
    overlaps: tuple[int, int] = (64, 320)
    crop_size: int = 640
    share_of_scoring: float = 0.2
    view: int = 320
    batch: int = 8
    rate: float = 3e-4
    rate_of_few: float = 2e-4
    few: int = 30
    class_factor: float = 5.0
    weight_decay: float = 0.05
    warm_up_steps: int = 50
    longest_gradient: float = 10.0
    fewest_steps: int = 100
    most_steps: int = 3000
    steps_an_image: int = 10

    def steps(self, image_count: int) -> int:
        """The most steps that are worth while for so many images."""
        return min(self.most_steps, max(600, self.steps_an_image * image_count))


ADVANCED_DETECTOR = AdvancedDetectorRecipe()


def recipe_for_domain(domain_id: str) -> ClassifierRecipe:
    """The recipe of a classification domain of the service, by its id in any case.

    Raises:
        KeyError: the id is not that of a classification domain.
    """
    recipe: ClassifierRecipe = _made(ClassifierRecipe, "Classification", "quick", domain_id.lower())
    return recipe


def advanced_recipe_for_domain(domain_id: str) -> AdvancedRecipe:
    """What an advanced training of a classification domain tries, by the domain's id in any case.

    Raises:
        KeyError: the id is not that of a classification domain.
    """
    recipe: AdvancedRecipe = _made(AdvancedRecipe, "Classification", "advanced", domain_id.lower())
    return recipe


def detector_recipe_for_domain(domain_id: str) -> DetectorRecipe:
    """The recipe of a detection domain of the service, by its id in any case.

    Raises:
        KeyError: the id is not that of a detection domain.
    """
    recipe: DetectorRecipe = _made(DetectorRecipe, "ObjectDetection", "quick", domain_id.lower())
    return recipe


def advanced_detector_recipe_for_domain(domain_id: str) -> AdvancedDetectorRecipe:
    """How an advanced training of a detection domain goes, by the domain's id in any case.

    Raises:
        KeyError: the id is not that of a detection domain.
    """
    recipe: AdvancedDetectorRecipe = _made(
        AdvancedDetectorRecipe, "ObjectDetection", "advanced", domain_id.lower()
    )
    return recipe


@lru_cache(maxsize=128)
def _made(kind: type[Any], domain_type: DomainType, part: str, domain_id: str) -> Any:
    """The recipe of a domain: the defaults of its class, but for what the domain's named recipe says."""
    domain = domains().by_id[domain_id]
    if domain.type != domain_type:
        raise KeyError(domain_id)
    fields: Mapping[str, Any] = getattr(domain.recipe, part)
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    )
