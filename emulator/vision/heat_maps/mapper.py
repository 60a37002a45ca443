"""Heat maps of classifiers and anomaly detectors, from their model files.

Axes: T tags, L layers; H and W: rows and columns of a map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emulator.vision.anomaly.network import DISTANCES, DOUBLINGS
from emulator.vision.anomaly.network import SCORES as ANOMALY_SCORES
from emulator.vision.boxes.box import Box
from emulator.vision.classification.tiles.layout import TileScoring
from emulator.vision.classification.tiles.scoring import score_tiles
from emulator.vision.fit import Fit, centre_box, resized_side
from emulator.vision.heat_maps.contributions import NotLinear, pooled_layers, score_contributions
from emulator.vision.heat_maps.tile_map import tile_map
from emulator.vision.imaging.decode import ImageInfo, inspect_image, resize_to_square
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.model_file import NETWORK, ModelMetadata, read_model
from emulator.vision.networks.onnx_writer import bilinear_matrix, onnx_bytes
from emulator.vision.networks.serialization import deserialize
from emulator.vision.onnx_runtime import inference_session, processors

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]

Method = Literal["AnomalyProbability", "ClassActivation", "TileActivation"]


class NoHeatMap(Exception):
    """The model has no heat maps; the message says why."""


@dataclass(frozen=True)
class HeatMap:
    """What speaks for a tag at each place of an image.

    Attributes:
        method: "AnomalyProbability": the probability of an anomaly at the place; the greatest is that of the
            image. For the tag of good images it is 1 minus that. "ClassActivation": the contribution to the
            score of the tag, as a fraction of the greatest; 0 where the place speaks against the tag.
            "TileActivation": the same for models that score tiles, see `tile_map`.
        values_HW: 0..1, from the top left.
        region: the part of the image that the map covers.
        tag: index of the tag.
        probability: of the tag in the whole image.
        width, height: of the image in pixels.
    """

    method: Method
    values_HW: Floats  # noqa: N815 - the suffix names the axes
    region: Box
    tag: int
    probability: float
    width: int
    height: int


class HeatMapper:
    """Makes heat maps with one model. Thread-safe.

    Attributes:
        labels: the tags, in the order of their indexes.
    """

    def __init__(self, model_path: Path) -> None:
        """Load a model.

        Raises:
            OSError: the file cannot be read.
            NoHeatMap: it is a detector, the model of another program or trainer, or its network has no layer
                of places.
            ImportError: onnx is not installed.
        """
        import onnx  # noqa: F401 - a missing package must not look like a damaged model

        content = model_path.read_bytes()
        try:
            properties, weights = read_model(content)
            metadata = ModelMetadata.from_properties(properties)
            network = deserialize(properties[NETWORK], weights)
            tiles = None
            if metadata.tiling is not None and not metadata.detection:
                tiles = TileScoring.from_json(metadata.tiling, network.resolution, len(metadata.labels))
        except Exception as error:
            # Arbitrary bytes raise protobuf's own errors, KeyError, ValueError, ...
            raise NoHeatMap(
                "Heat maps exist for models that were trained here, by the real trainer; this one is another."
            ) from error
        if metadata.detection:
            raise NoHeatMap("Detectors have no heat maps: their boxes say where the objects are.")
        self.labels = metadata.labels
        self._multilabel, self._fit = bool(metadata.multilabel), metadata.fit
        self._network = network
        self._tiles = tiles
        if tiles is not None:
            self._session = inference_session(onnx_bytes(network, {}), threads=1)
            return
        self._anomaly = _anomaly_layers(network)
        try:
            self._layers = [*self._anomaly] or pooled_layers(network)
        except NotLinear:
            raise _unexplained() from None
        shown = dict.fromkeys(self._layers, (-1, -1, -1))
        written = replace(network, outputs={**network.outputs, **shown})
        self._session = inference_session(onnx_bytes(written, {}), threads=1)

    def heat_map(self, data: bytes, tag: int | None = None) -> HeatMap:
        """The heat map of an image for a tag; None is the tag of anomalies, or else the most probable tag.

        Raises:
            ImageRejected: the bytes are not an acceptable image.
            NoHeatMap: the scores of the network are no sums over places.
        """
        info = inspect_image(data)
        if self._tiles is not None:
            return self._of_tiles(data, info, self._tiles, tag)
        pixels = resize_to_square(data, self._network.resolution, self._fit)
        with processors:
            probabilities, *layers = self._session.run(
                [self._network.output, *self._layers], {INPUT: pixels[None]}
            )
        if tag is None:
            tag = self._anomaly_tag() if self._anomaly else int(probabilities[0].argmax())
        values = {name: layer[0].astype(float) for name, layer in zip(self._layers, layers, strict=True)}
        return HeatMap(
            method="AnomalyProbability" if self._anomaly else "ClassActivation",
            values_HW=(
                self._anomalies(values, probabilities[0], tag)
                if self._anomaly
                else self._activations(values, tag)
            ),
            region=_region(self._fit, info.width, info.height, self._network.resolution),
            tag=tag,
            probability=float(probabilities[0, tag]),
            width=info.width,
            height=info.height,
        )

    def _of_tiles(self, data: bytes, info: ImageInfo, scoring: TileScoring, tag: int | None) -> HeatMap:
        with processors:
            found = score_tiles(
                self._session, data, scoring, self._network.resolution, multilabel=self._multilabel
            )
        if tag is None:
            tag = int(found.probabilities_T.argmax())
        values_HW = tile_map(found, tag)
        return HeatMap(
            method="TileActivation",
            # Nothing in an image speaks for the tag of images that show none of the others.
            values_HW=values_HW * (tag != scoring.negative),
            region=Box(0.0, 0.0, 1.0, 1.0),
            tag=tag,
            probability=float(found.probabilities_T[tag]),
            width=info.width,
            height=info.height,
        )

    def _weights(self) -> Floats:
        """Weights (L, T) of the log odds of an anomaly; those of the tag of good images are 0."""
        dense = next(each for each in self._network.operations if each.output == ANOMALY_SCORES)
        assert dense.weight is not None
        return self._network.weights[dense.weight].astype(float)

    def _anomaly_tag(self) -> int:
        return int(abs(self._weights()).sum(axis=0).argmax())

    def _anomalies(self, distances: Mapping[str, Floats], probabilities_T: Floats, tag: int) -> Floats:
        import numpy

        anomaly = self._anomaly_tag()
        side = max(each.shape[-1] for each in distances.values())
        log_odds_HW = numpy.zeros((side, side))
        # The mean of the layers, where the score of an image has the sum: a map of that would show little but
        # the most unusual place.
        weights = (self._weights()[:, anomaly] * 2**DOUBLINGS / len(self._layers)).tolist()
        for name, weight in zip(self._layers, weights, strict=True):
            log_odds_HW += weight * _enlarged(numpy.log(distances[name][0]), side)
        probability = float(probabilities_T[anomaly].clip(1e-12, 1 - 1e-7))
        log_odds_HW += numpy.log(probability / (1 - probability)) - log_odds_HW.max()
        probabilities_HW: Floats = 1 / (1 + numpy.exp(-log_odds_HW.clip(-80, 80)))
        return probabilities_HW if tag == anomaly else 1 - probabilities_HW

    def _activations(self, layers: Mapping[str, Floats], tag: int) -> Floats:
        import numpy

        try:
            contributions = score_contributions(self._network, layers, len(self.labels))
        except NotLinear:
            raise _unexplained() from None
        side = max(each.shape[-1] for each in layers.values())
        total_HW = numpy.zeros((side, side))
        for values_PT in contributions.values():
            # With a softmax, only differences between the scores of tags count.
            values_P = values_PT[:, tag] - (0 if self._multilabel else values_PT.mean(axis=1))
            own = round(len(values_P) ** 0.5)
            total_HW += _enlarged(values_P.reshape(own, own), side) * (own / side) ** 2
        positive_HW: Floats = total_HW.clip(0)
        return positive_HW / max(float(positive_HW.max()), 1e-12)


def _anomaly_layers(network: Network) -> list[str]:
    """The tensors of the distances of patches; empty if the model is no anomaly detector."""
    outputs = [operation.output for operation in network.operations]
    if ANOMALY_SCORES not in outputs:
        return []
    return [name for name in outputs if name.endswith(f".{DISTANCES}")]


def _enlarged(values_HW: Floats, side: int) -> Floats:
    """The map for a grid of another side, interpolated bilinearly."""
    if len(values_HW) == side:
        return values_HW
    matrix = bilinear_matrix(len(values_HW), side).astype(float)
    enlarged: Floats = matrix @ values_HW @ matrix.T
    return enlarged


def _region(fit: Fit, width: int, height: int, resolution: int) -> Box:
    if fit == "stretch":
        return Box(0.0, 0.0, 1.0, 1.0)
    side = min(width, height) * resolution / resized_side(resolution)
    left, top, right, bottom = centre_box(width, height, side)
    return Box(left / width, top / height, (right - left) / width, (bottom - top) / height)


def _unexplained() -> NoHeatMap:
    return NoHeatMap(
        "The scores of this model's network are no sums over the places of an image, so it has no heat maps; "
        "models of the bundled networks have them."
    )
