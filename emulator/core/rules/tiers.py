"""Pricing tiers: how many projects, images, tags, iterations, predictions, and calls a second each allows.

The figures are those that the service documents for its tiers. The emulator's own tier, ``unlimited``, has
none of these limits; the limits on single requests (`limits`) hold in every tier.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CallKind = Literal["training", "prediction, stored", "prediction, not stored", "other"]


@dataclass(frozen=True)
class Tier:
    """A pricing tier; None: no limit. calls_per_second: by kind of call; no entry: no limit."""

    name: str
    projects: int | None = None
    images_per_project: int | None = None
    tags_per_project: int | None = None
    iterations_per_project: int | None = None
    predictions_per_month: int | None = None
    calls_per_second: Mapping[CallKind, int] = field(default_factory=dict)


TIERS: dict[str, Tier] = {
    "unlimited": Tier("unlimited"),
    "f0": Tier(
        "F0",
        projects=2,
        images_per_project=5_000,
        tags_per_project=50,
        iterations_per_project=20,
        predictions_per_month=10_000,
        calls_per_second={
            "training": 2,
            "prediction, stored": 2,
            "prediction, not stored": 2,
            "other": 10,
        },
    ),
    "s0": Tier(
        "S0",
        projects=100,
        images_per_project=100_000,
        tags_per_project=500,
        iterations_per_project=20,
        calls_per_second={
            "training": 10,
            "prediction, stored": 10,
            "prediction, not stored": 20,
            "other": 10,
        },
    ),
}
