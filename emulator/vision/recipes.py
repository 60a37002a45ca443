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
    "a1db07ca-a19a-4830-bae8-e004a42dc863": QUICK,  # General (compact) [S1]
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
