"""Hyperparameters of trainings, and the recipe of each domain. Cheap to import.

The classes hold the defaults; the data file `models/domains.toml` overrides them for a domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

from emulator.vision.fit import Fit
from emulator.vision.recipes.domains import DomainType, domains


@dataclass(frozen=True)
class ClassifierRecipe:
    """Quick training of a classifier: a linear head on features of a frozen pretrained network.

    Attributes:
        backbone: name of the network, see `networks.weights.backbone_network`.
        resolution: side in pixels of the square that images are resized to.
        fit: how they become square, see `vision.fit`. With "centre crop", trainings also use the mirrored,
            stretched image: objects at the edges are learned, and programs that stretch images get more
            similar results.
        mirror_up_to: trainings of at most this many images also use the mirror image of each. It improves the
            log loss by 1% and accuracy by 0.1 points, for twice the time.
        fully_regularised_from: number of images from which the inverse strength of regularisation, C, is 1. C
            grows as the number falls, up to 10: with C = 1 probabilities on twenty images are too similar,
            and twenty images do not determine the calibration.
        late_layers: whether the late layers may be trained, too (`LateLayersRecipe`). The model then has them
            twice, so this is not for models that are exported.
        tiles: whether large images may be scored by their tiles (`recipes.tiles`); not for models that are
            exported.
    """

    backbone: str = "efficientnet-lite0"
    resolution: int = 224
    fit: Fit = "stretch"
    mirror_up_to: int = 500
    fully_regularised_from: int = 200
    late_layers: bool = True
    tiles: bool = True

    def inverse_regularisation(self, image_count: int) -> float:
        """C of the logistic regression (see `head.fit_linear_head`) for a number of images."""
        return min(10.0, max(1.0, self.fully_regularised_from / image_count))


QUICK = ClassifierRecipe()


@dataclass(frozen=True)
class FineTuningRecipe:
    """Fine-tuning of a pretrained classification network.

    Attributes:
        learning_rate: peak of AdamW's; it rises over the warm-up and then falls to 0 along a cosine.
        head_lr_multiplier: factor on the learning rate for the head.
        weight_decay: of weights, not of biases.
        warm_up_steps: at most; never more than a fifth of all steps.
        max_grad_norm: norm that gradients are clipped to.
        batch: images per step.
        frozen_to_stride: layers with a smaller stride, in pixels, are not trained: edges and textures hardly
            differ between tasks, and these layers are half of the computation.
        max_shift: of an image, as a fraction of its side.
        mixup: both parameters of the beta distribution of the fraction of another image that is mixed in.
        cutmix: the fraction of steps in which each image gets a rectangle of another one instead.
        color_jitter: brightness, contrast and saturation are multiplied by factors of 1 +- this, each drawn
            for each image.
        label_smoothing: the fraction of a target that is spread over all tags.
        mirror: whether half of the images are mirrored.
        sufficient_epochs: a training with fewer passes over the images leaves no time for a second network.
    """

    learning_rate: float = 3e-4
    head_lr_multiplier: float = 10.0
    weight_decay: float = 0.05
    warm_up_steps: int = 50
    max_grad_norm: float = 1.0
    batch: int = 16
    frozen_to_stride: int = 16
    max_shift: float = 1 / 16
    mixup: float = 0.2
    cutmix: float = 0.0
    color_jitter: float = 0.0
    label_smoothing: float = 0.05
    mirror: bool = True
    sufficient_epochs: int = 8


FINE_TUNING = FineTuningRecipe()
# Tiny images are enlarged: their edges and textures are not those that the fine layers were trained on.
TINY_FINE_TUNING = FineTuningRecipe(frozen_to_stride=1, cutmix=0.5, color_jitter=0.3, sufficient_epochs=19)


@dataclass(frozen=True)
class LateLayersRecipe:
    """Training of the late layers of a classification network within a quick training.

    Attributes:
        resolution, first_layer: side in pixels of the input, and the beginning of the name of the first layer
            that is trained. The model has the late layers twice, frozen and trained, and takes no longer than
            the frozen network at its usual side.
        tiny_side, tiny_resolution, tiny_first_layer: the same for images with sides of at most `tiny_side`
            pixels.
        views: number of views of each image: as it is, mirrored, and shifted ones. Fewer, at least two, if
            their maps would need much memory.
        fine_tuning: how the late layers are trained.
        max_shift: of the shifted views, as a fraction of the side.
        epochs, tiny_epochs, min_epochs: passes over the images; with little time for each image at least
            `min_epochs`, or none.
        folds: number of models, each without a fold, whose weights are averaged.
        blend_weights: weights of the frozen network in blends with the trained one.
        min_images: fewer images are not enough to train layers.
        min_mistakes, min_error: nothing is tried if cross-validation finds fewer mistakes, or fewer for each
            image.
        seconds_per_image, most_seconds: seconds on two processors that the whole quick training may take.
        epoch_seconds_per_image, tiny_epoch_seconds_per_image, other_seconds_per_image: what an epoch of all
            models, and all the rest, takes of it on a usual machine.
        most_slowness: on a machine that is slower by more than this factor, layers are not trained.
    """

    resolution: int = 192
    first_layer: str = "_blocks.11."
    tiny_side: int = 64
    tiny_resolution: int = 160
    tiny_first_layer: str = "_blocks.5."
    views: int = 4
    fine_tuning: FineTuningRecipe = FineTuningRecipe(frozen_to_stride=1, max_shift=0.0, mirror=False)
    max_shift: float = 1 / 16
    epochs: int = 6
    tiny_epochs: int = 4
    min_epochs: int = 3
    folds: int = 2
    blend_weights: tuple[float, ...] = (0.5, 0.25)
    min_images: int = 150
    min_mistakes: int = 15
    min_error: float = 0.03
    seconds_per_image: float = 0.09
    most_seconds: float = 90.0
    epoch_seconds_per_image: float = 0.009
    tiny_epoch_seconds_per_image: float = 0.0145
    other_seconds_per_image: float = 0.027
    most_slowness: float = 2.5


LATE_LAYERS = LateLayersRecipe()


@dataclass(frozen=True)
class AdvancedRecipe:
    """Candidates of an advanced training of a classifier.

    Attributes:
        backbones: networks whose features are joined (see `networks.weights.backbone_network`), for models
            that cannot be exported; None for models that can.
        resolution: side in pixels of the input of `backbones`, and of fine-tuning of models without exports.
        regularisations: factors on `ClassifierRecipe.inverse_regularisation`.
        fine_tuning: how the coarse layers are trained.
        tiny_side, tiny_resolution, tiny_fine_tuning: images with sides of at most `tiny_side` pixels are
            fine-tuned on at `tiny_resolution` (a larger input would only take longer), and in another way.
        large_resolution: images of at least this many pixels a side are also tried at this size, for small
            defects, and fine-tuned on at it if it was the best.
        min_epochs: fine-tuning is skipped if there is time for fewer.
        cross_validation_min_epochs: further models without a fold are trained if there is time for this many
            epochs.
        max_epochs: remaining time is spent on models for more folds instead of more epochs.
        min_folds: number of models without a fold, if there is time.
        min_eval_images: number of held-out images that suffices to compare models.
        blend_weights: weights of the frozen network in blends with the fine-tuned one.
        second_network, second_weight: a network that is fine-tuned, too, if there is time, and its weight in
            blends with the first; None for models that can be exported.
    """

    backbones: str | None = None
    resolution: int = 256
    regularisations: tuple[float, ...] = (1.0, 0.3, 3.0)
    fine_tuning: FineTuningRecipe = FINE_TUNING
    tiny_side: int = 64
    tiny_resolution: int = 128
    tiny_fine_tuning: FineTuningRecipe = TINY_FINE_TUNING
    large_resolution: int = 448
    min_epochs: int = 2
    cross_validation_min_epochs: int = 8
    max_epochs: int = 20
    min_folds: int = 2
    min_eval_images: int = 100
    blend_weights: tuple[float, ...] = (0.25, 0.5)
    second_network: str | None = None
    second_weight: float = 0.5

    def fine_tuning_of(self, side: float) -> FineTuningRecipe:
        """How images whose longer side is usually this many pixels are fine-tuned on."""
        return self.tiny_fine_tuning if side <= self.tiny_side else self.fine_tuning


ADVANCED = AdvancedRecipe("efficientnet-lite0+efficientnet-lite2", second_network="efficientnet-lite2")
ADVANCED_COMPACT = AdvancedRecipe()


@dataclass(frozen=True)
class AnomalyRecipe:
    """Anomaly detection: the distances of the patches of an image from those of good images.

    Attributes:
        backbone: name of the network, see `networks.weights.backbone_network`.
        resolution: side in pixels of the square that images are resized to.
        strides: of the layers whose patches are compared, in pixels: the last layer of each.
        references: patches of good images that the model remembers, for each layer.
        sampled_patches: patches of all good images together that the references are chosen from.
    """

    backbone: str = "efficientnet-lite0"
    resolution: int = 320
    strides: tuple[int, ...] = (8, 16, 32)
    references: int = 256
    sampled_patches: int = 6000


ANOMALY = AnomalyRecipe()


@dataclass(frozen=True)
class DetectorFineTuningRecipe:
    """How layers of a detector are trained.

    Attributes:
        window_size: side in pixels of the windows of images, at the scale of scoring, that are learned from.
        batch: windows per step.
        frozen_stages: stages of the backbone that are not trained, from the finest one on, with the stem; 5
            includes the layers that connect the backbone with the neck.
        learning_rate, head_learning_rate, class_learning_rate: peaks of AdamW's: for the backbone and neck,
            for the head's pretrained layers, and for the new layers.
        weight_decay: of weights, not of biases.
        warm_up_steps: at most; never more than a fifth of all steps.
        max_grad_norm: norm that gradients are clipped to.
    """

    window_size: int = 320
    batch: int = 8
    frozen_stages: int = 0
    learning_rate: float = 3e-4
    head_learning_rate: float = 1e-3
    class_learning_rate: float = 5e-3
    weight_decay: float = 0.05
    warm_up_steps: int = 15
    max_grad_norm: float = 10.0

    def slower(self, factor: float) -> DetectorFineTuningRecipe:
        """The same with learning rates multiplied by `factor`."""
        return replace(
            self,
            learning_rate=factor * self.learning_rate,
            head_learning_rate=factor * self.head_learning_rate,
            class_learning_rate=factor * self.class_learning_rate,
        )


@dataclass(frozen=True)
class DetectorRecipe:
    """Quick training of a detector: NanoDet-g with new class layers; the coarse layers and the head.

    Attributes:
        resolution: side in pixels of the square that images are resized to, and of the windows learned from.
        larger_resolutions: sides that are used instead if small boxes need them.
        wanted_side: side in pixels that small boxes (first quartile) should have.
        input_resolution: side of the model's input, if it is another; the model resizes it.
        batch: augmented images per step.
        min_steps, max_steps, steps_per_image: length of the training without held-out images:
            `steps_per_image` for each image, clipped to the other two, and longer where windows show a part
            of the image.
        finishing_share: length of the training on all images that follows, as a fraction of it.
        finishing_rate: its peak learning rates, as a fraction.
        warm_up_steps: steps until the peak learning rate, which then falls along a cosine.
        learning_rate, head_learning_rate, class_learning_rate, frozen_stages: see `DetectorFineTuningRecipe`.
        min_eval_images, max_eval_images: number of held-out images; between a third and a fifth of the images
            if that is fewer or more.
    """

    resolution: int = 320
    larger_resolutions: tuple[int, ...] = (416, 640)
    wanted_side: float = 28.0
    input_resolution: int | None = None
    batch: int = 8
    min_steps: int = 80
    max_steps: int = 200
    steps_per_image: float = 0.6
    finishing_share: float = 1 / 3
    finishing_rate: float = 0.5
    warm_up_steps: int = 15
    frozen_stages: int = 2
    learning_rate: float = 3e-4
    head_learning_rate: float = 1e-3
    class_learning_rate: float = 5e-3
    weight_decay: float = 0.05
    min_eval_images: int = 20
    max_eval_images: int = 200

    def steps(self, image_count: int, magnification: float = 1.0) -> int:
        """Number of steps for a number of images."""
        steps = min(self.max_steps, max(self.min_steps, self.steps_per_image * image_count))
        return round(magnification * steps)

    def folds(self, image_count: int) -> int:
        """Number of folds for a number of images, the first of which is held out."""
        most = max(3, min(5, image_count // self.min_eval_images))
        return min(100, max(most, -(-image_count // self.max_eval_images)))

    def fine_tuning(self, image_count: int) -> DetectorFineTuningRecipe:
        """How layers are trained on a number of images."""
        return DetectorFineTuningRecipe(
            window_size=self.resolution,
            batch=self.batch,
            frozen_stages=self.frozen_stages,
            learning_rate=self.learning_rate,
            head_learning_rate=self.head_learning_rate,
            class_learning_rate=self.class_learning_rate,
            weight_decay=self.weight_decay,
            warm_up_steps=self.warm_up_steps,
        )


QUICK_DETECTOR = DetectorRecipe()


@dataclass(frozen=True)
class AdvancedDetectorRecipe:
    """Training of a whole detector.

    Attributes:
        resolutions: sides in pixels at which images may be scored; the first is that of quick training.
        wanted_side: side in pixels that small boxes (first quartile) should have: images are scored at the
            smallest resolution that reaches it, and at none larger than the images.
        tiles_below: images are scored in tiles if small boxes have fewer pixels than this even at the largest
            of `resolutions`; 0 disables tiles.
        largest_side: with tiles, images are scaled to the area of a square with at most this side.
        overlaps: smallest and largest overlap of neighbouring tiles, in pixels; the boxes decide.
        crop_size: side in pixels of the crops of tiled images that are learned from.
        share_of_scoring: largest fraction of the budget for scoring tiles in evaluation.
        window_size: side in pixels of the windows of images, at the scale of scoring, that are learned from.
        batch: windows per step.
        learning_rate, small_set_learning_rate: peak of AdamW's; the second for fewer than `small_set` images.
        class_lr_multiplier: factor on the learning rate for the new layers.
        weight_decay: of weights, not of biases.
        warm_up_steps: at most; never more than a fifth of all steps.
        max_grad_norm: norm that gradients are clipped to.
        min_steps: nothing is trained if there is time for fewer.
        max_steps, steps_per_image: upper limit of the steps: `steps_per_image` for each image, from 600 to
            `max_steps`.
        finishing_share, finishing_rate: as in `DetectorRecipe`.
    """

    resolutions: tuple[int, ...] = (320, 416, 640, 960)
    wanted_side: float = 28.0
    tiles_below: float = 20.0
    largest_side: int = 5120
    overlaps: tuple[int, int] = (64, 320)
    crop_size: int = 640
    share_of_scoring: float = 0.2
    window_size: int = 320
    batch: int = 8
    learning_rate: float = 3e-4
    small_set_learning_rate: float = 2e-4
    small_set: int = 30
    class_lr_multiplier: float = 5.0
    weight_decay: float = 0.05
    warm_up_steps: int = 50
    max_grad_norm: float = 10.0
    min_steps: int = 100
    max_steps: int = 3000
    steps_per_image: int = 10
    finishing_share: float = 1 / 3
    finishing_rate: float = 0.5

    def fine_tuning(self, image_count: int) -> DetectorFineTuningRecipe:
        """How layers are trained on a number of images."""
        rate = self.learning_rate if image_count >= self.small_set else self.small_set_learning_rate
        return DetectorFineTuningRecipe(
            window_size=self.window_size,
            batch=self.batch,
            learning_rate=rate,
            head_learning_rate=rate,
            class_learning_rate=rate * self.class_lr_multiplier,
            weight_decay=self.weight_decay,
            warm_up_steps=self.warm_up_steps,
            max_grad_norm=self.max_grad_norm,
        )

    def steps(self, image_count: int) -> int:
        """Largest useful number of steps for a number of images."""
        return min(self.max_steps, max(600, self.steps_per_image * image_count))


ADVANCED_DETECTOR = AdvancedDetectorRecipe()


Recipe = TypeVar(
    "Recipe", ClassifierRecipe, AdvancedRecipe, AnomalyRecipe, DetectorRecipe, AdvancedDetectorRecipe
)

# The type of the domains that have each kind of recipe, and the name of its table in the data file.
_KINDS: Mapping[type[Any], tuple[DomainType, str]] = {
    ClassifierRecipe: ("Classification", "quick"),
    AdvancedRecipe: ("Classification", "advanced"),
    AnomalyRecipe: ("Classification", "anomaly"),
    DetectorRecipe: ("ObjectDetection", "quick"),
    AdvancedDetectorRecipe: ("ObjectDetection", "advanced"),
}


def recipe_for_domain(kind: type[Recipe], domain_id: str) -> Recipe:
    """The recipe of a domain of the service: the defaults of `kind`, overridden by the domain's own values.

    Args:
        kind: one of the five classes above.
        domain_id: in any case.

    Raises:
        KeyError: no domain of the type that `kind` is for has the id.
    """
    recipe: Recipe = _built(kind, domain_id.lower())  # type: ignore[arg-type]  # mypy: a class is not Hashable
    return recipe


@lru_cache(maxsize=128)
def _built(kind: type[Any], domain_id: str) -> Any:
    domain_type, part = _KINDS[kind]
    domain = domains().by_id[domain_id]
    if domain.type != domain_type:
        raise KeyError(domain_id)
    fields: Mapping[str, Any] = getattr(domain.recipe, part)
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    )
