"""Which recipe the training of a domain follows. Pure data; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass


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
# Programs that load exports of the compact [S1] domain give pictures of this size, whatever the file says.
# The network is better at the size that it was made for (see its card), so it resizes them.
QUICK_S1 = ClassifierRecipe(backbone="efficientnet-lite0-at-224", resolution=300)


@dataclass(frozen=True)
class FineTuningRecipe:
    """How a whole classification network is trained.

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
        fine_tuning: how a whole network is trained.
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
# Programs that load exports of this domain give pictures of this size, whatever the file says. Training with
# them takes 1.7 times as long and finds no more; see `models/nanodet-g.md`.
QUICK_COMPACT_DETECTOR = DetectorRecipe(input_resolution=416)


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
        piece: side in pixels of the pieces that are cut out of pictures in tiles, to learn from.
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
    piece: int = 640
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
# Exports promise a size.
ADVANCED_COMPACT_DETECTOR = AdvancedDetectorRecipe(resolutions=(320,), tiles_below=0)

# Every classification domain of the service trains the same way today: the pretrained network is a general
# one, and none for food, landmarks or shops exists under a free licence. The table stays, so that a domain
# can get its own.
_CLASSIFICATION_DOMAINS: dict[str, ClassifierRecipe] = {
    "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31": QUICK,  # General
    "a8e3c40f-fb4a-466f-832a-5e457ae4a344": QUICK,  # General [A1]
    "2e37d7fb-3a54-486a-b4d6-cfc369af0018": QUICK,  # General [A2]
    "c151d5b5-dd07-472a-acc8-15d29dea8518": QUICK,  # Food
    "ca455789-012d-4b50-9fec-5bb63841c793": QUICK,  # Landmarks
    "b30a91ae-e3c1-4f73-a81e-c270bff27c39": QUICK,  # Retail
    "45badf75-3591-4f26-a705-45678d3e9f5f": QUICK,  # Adult
    "0732100f-1a38-4e49-a514-c9b44c697ab5": QUICK,  # General (compact)
    "a1db07ca-a19a-4830-bae8-e004a42dc863": QUICK_S1,  # General (compact) [S1]
    "8882951b-82cd-4c32-970b-d5f8cb8bf6d7": QUICK,  # Food (compact)
    "b5cfd229-2ac7-4b2b-8d0a-2b0661344894": QUICK,  # Landmarks (compact)
    "6b4faeda-8396-481b-9f8b-177b9fa3097f": QUICK,  # Retail (compact)
}


def recipe_for_domain(domain_id: str) -> ClassifierRecipe:
    """The recipe of a classification domain of the service, by its id in any case.

    Raises:
        KeyError: the id is not that of a classification domain.
    """
    return _CLASSIFICATION_DOMAINS[domain_id.lower()]


_COMPACT = frozenset(
    {
        "0732100f-1a38-4e49-a514-c9b44c697ab5",
        "a1db07ca-a19a-4830-bae8-e004a42dc863",
        "8882951b-82cd-4c32-970b-d5f8cb8bf6d7",
        "b5cfd229-2ac7-4b2b-8d0a-2b0661344894",
        "6b4faeda-8396-481b-9f8b-177b9fa3097f",
    }
)


def advanced_recipe_for_domain(domain_id: str) -> AdvancedRecipe:
    """What an advanced training of a classification domain tries, by the domain's id in any case.

    Raises:
        KeyError: the id is not that of a classification domain.
    """
    recipe_for_domain(domain_id)
    return ADVANCED_COMPACT if domain_id.lower() in _COMPACT else ADVANCED


# All detection domains start from the one detector that comes under a free licence.
_DETECTION_DOMAINS: dict[str, DetectorRecipe] = {
    "da2e3a8a-40a5-4171-82f4-58522f70fbc1": QUICK_DETECTOR,  # General
    "9c616dff-2e7d-ea11-af59-1866da359ce6": QUICK_DETECTOR,  # General [A1]
    "1d8ffafe-ec40-4fb2-8f90-72b3b6cecea4": QUICK_DETECTOR,  # Logo
    "3780a898-81c3-4516-81ae-3a139614e1f3": QUICK_DETECTOR,  # Products on Shelves
    "a27d5ca5-bb19-49d8-a70a-fec086c47f5b": QUICK_COMPACT_DETECTOR,  # General (compact)
    "7ec2ac80-887b-48a6-8df9-8b1357765430": QUICK_DETECTOR,  # General (compact) [S1]
}


def detector_recipe_for_domain(domain_id: str) -> DetectorRecipe:
    """The recipe of a detection domain of the service, by its id in any case.

    Raises:
        KeyError: the id is not that of a detection domain.
    """
    return _DETECTION_DOMAINS[domain_id.lower()]


_COMPACT_DETECTION = frozenset(
    {"a27d5ca5-bb19-49d8-a70a-fec086c47f5b", "7ec2ac80-887b-48a6-8df9-8b1357765430"}
)


def advanced_detector_recipe_for_domain(domain_id: str) -> AdvancedDetectorRecipe:
    """How an advanced training of a detection domain goes, by the domain's id in any case.

    Raises:
        KeyError: the id is not that of a detection domain.
    """
    detector_recipe_for_domain(domain_id)
    return ADVANCED_COMPACT_DETECTOR if domain_id.lower() in _COMPACT_DETECTION else ADVANCED_DETECTOR
