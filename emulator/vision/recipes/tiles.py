"""Hyperparameters of classifiers that look at tiles of large images. Cheap to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TilesRecipe:
    """Classifiers that look at tiles of large images, for small details: `classification.tiles`.

    Attributes:
        overlap: of neighbouring tiles, in pixels.
        most, most_of_all: number of tiles of an image, and of all images together, which decides how long
            features take; images are scaled down where they would have more.
        min_side: of the usual image, in pixels: smaller images gain nothing.
        min_images: fewer images are not enough to learn which windows have what the tags say.
        min_mistakes, min_error: nothing is tried if cross-validation finds fewer mistakes, or fewer for each
            image.
        probed, most_loss: of more than `probed` images, a head is first trained on `probed` images;
            tiles are given up if its log loss is more than `most_loss` times that of the best model so far.
        components: number of features of a window, the principal components of those of the network.
        inverse_regularisation: of the head (`window_head.fit_window_head`).
        first_layer: the beginning of the name of the first layer that is trained.
        crop: side of the parts of maps that it is trained on, in places of the map.
        chosen: parts of an image for each of its tags, those with the highest scores.
        unlike, random: number of parts of an image that are learned as negatives: those with the highest
            scores of `unlike` tags that the image does not have, and random ones.
        most_crops: number of parts of all images together.
        epochs: passes over the parts.
        folds: number of models, each without a fold, whose weights are averaged.
        seconds_per_tile, seconds_per_crop: what all models take of a usual machine, for each tile and for
            each part that is trained on.
    """

    overlap: int = 36
    most: int = 64
    most_of_all: int = 10_000
    min_side: int = 400
    min_images: int = 60
    min_mistakes: int = 5
    min_error: float = 0.03
    probed: int = 120
    most_loss: float = 1.5
    components: int = 256
    inverse_regularisation: float = 0.5
    first_layer: str = "_blocks.11."
    crop: int = 8
    chosen: int = 2
    unlike: int = 2
    random: int = 2
    most_crops: int = 2000
    epochs: int = 4
    folds: int = 2
    seconds_per_tile: float = 0.008
    seconds_per_crop: float = 0.03


TILES = TilesRecipe()
