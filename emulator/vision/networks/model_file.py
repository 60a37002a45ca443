"""The metadata of a model file: what a training writes beside the network, and what scoring and exports read.

A model file is an ONNX file, except those of the instant trainer, which begin with `INSTANT_MAGIC`
(`emulator.vision.instant.model`). Its `metadata_props` have the entries below; all values are text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from emulator.vision.fit import Fit

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

INSTANT_MAGIC = b"custom-vision-emulator instant model 1\n"
# "detection" for detectors. Files of classifiers have no such entry.
TASK = "emulator.task"
# Names of the tags in the order of the outputs: a JSON list.
LABELS = "emulator.labels"
# For classifiers, whether an image may have several tags: "true" or "false".
MULTILABEL = "emulator.multilabel"
# Side in pixels of the square input.
RESOLUTION = "emulator.resolution"
# How images become square: "centre crop". Files without the entry are of models for stretched images.
FIT = "emulator.fit"
# How images become the input, for people.
PREPROCESSING = "emulator.preprocessing"
# The operations of the network, as `serialization.serialize` writes them. Exports start from these.
NETWORK = "emulator.network"
# For models that run on tiles of large images: of detectors a `detection.tiles.Tiling`, of classifiers a
# `classification.tiles.layout.TileScoring`, as JSON.
TILING = "emulator.tiling"

_DETECTION = "detection"
_RESIZES: Mapping[Fit, str] = {
    "stretch": "stretched to a square",
    "centre crop": "centre of the image whose shorter side is 8/7 of the resolution",
}
# What programs that consume the service's models read to prepare images.
_PIXEL_FORMAT = {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "NominalRange_0_255"}


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """The metadata of a trained model.

    Attributes:
        labels: names of the tags, in the order of the outputs.
        resolution: side in pixels of the square input.
        multilabel: for classifiers, whether an image may have several tags; None for detectors.
        network: its operations, from `serialization.serialize`; None if the model is never exported.
        tiling: for models that run on tiles, see `TILING`; else None.
        fit: how images become square, see `fit`.
    """

    labels: tuple[str, ...]
    resolution: int
    multilabel: bool | None = None
    network: str | None = None
    tiling: str | None = None
    fit: Fit = "stretch"

    @property
    def detection(self) -> bool:
        """Whether the model is a detector; else it is a classifier."""
        return self.multilabel is None

    def to_properties(self) -> dict[str, str]:
        """The entries of `metadata_props`, always in the same order."""
        resize = _RESIZES[self.fit] if self.tiling is None else "cut into tiles"
        entries = {
            TASK: _DETECTION if self.detection else None,
            LABELS: json.dumps(self.labels),
            NETWORK: self.network,
            MULTILABEL: None if self.multilabel is None else json.dumps(self.multilabel),
            RESOLUTION: json.dumps(self.resolution),
            FIT: None if self.fit == "stretch" else self.fit,
            PREPROCESSING: f"EXIF orientation applied, RGB, {resize}",
            TILING: self.tiling,
            **_PIXEL_FORMAT,
        }
        return {key: value for key, value in entries.items() if value is not None}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> Self:
        """Parse the entries of `metadata_props`.

        Raises:
            KeyError: an entry is missing.
            ValueError: an entry is not JSON, or the task or the fit is unknown.
            TypeError: the labels are not a list.
        """
        task = properties.get(TASK)
        if task not in (None, _DETECTION):
            raise ValueError(f"it has another task: {task!r}")
        fit = next((known for known in _RESIZES if known == properties.get(FIT, "stretch")), None)
        if fit is None:
            raise ValueError(f"its images have an unknown fit: {properties[FIT]!r}")
        return cls(
            labels=tuple(json.loads(properties[LABELS])),
            resolution=json.loads(properties[RESOLUTION]),
            multilabel=None if task else bool(json.loads(properties[MULTILABEL])),
            network=properties.get(NETWORK),
            tiling=properties.get(TILING),
            fit=fit,
        )


def read_model(content: bytes) -> tuple[dict[str, str], dict[str, FloatArray]]:
    """The entries of `metadata_props`, and the weights by name.

    Raises:
        Exception: the content is not an ONNX file; protobuf has many error types without a common base.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(content)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return metadata, {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
