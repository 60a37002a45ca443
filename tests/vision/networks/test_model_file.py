"""The metadata of model files: written and read in one place."""

import pytest

from emulator.vision.networks.graph import INPUT, Network, Operation
from emulator.vision.networks.model_file import MULTILABEL, TASK, TILING, ModelMetadata
from emulator.vision.networks.serialization import deserialize, serialize

CLASSIFIER = ModelMetadata(labels=("a", "ü"), resolution=224, multilabel=False, network="{}")
DETECTOR = ModelMetadata(labels=(), resolution=320, tiling='{"side": 960}')


@pytest.mark.parametrize("metadata", [CLASSIFIER, DETECTOR], ids=["classifier", "detector"])
def test_metadata_is_read_as_it_was_written(metadata: ModelMetadata) -> None:
    assert ModelMetadata.from_properties(metadata.to_properties()) == metadata


def test_only_detectors_have_a_task() -> None:
    assert TASK not in CLASSIFIER.to_properties()
    assert TILING not in CLASSIFIER.to_properties()
    assert DETECTOR.to_properties()[TASK] == "detection"
    assert MULTILABEL not in DETECTOR.to_properties()
    assert (CLASSIFIER.detection, DETECTOR.detection) == (False, True)


def test_every_entry_of_a_classifier_is_required() -> None:
    for key in ("emulator.labels", "emulator.multilabel", "emulator.resolution"):
        properties = CLASSIFIER.to_properties()
        del properties[key]
        with pytest.raises(KeyError, match=key):
            ModelMetadata.from_properties(properties)


def test_operations_keep_the_names_that_they_have_in_files() -> None:
    """Files of earlier versions stay readable when fields are renamed."""
    operation = Operation(
        "convolution", (INPUT,), "result", weight="w", symmetric_padding=True, negative_slope=0.1
    )
    network = Network(8, (operation,), {"w": None}, {"result": (8, 8, 1)})  # type: ignore[dict-item]

    text = serialize(network)

    assert '"centred":true' in text
    assert '"leak":0.1' in text
    assert deserialize(text, network.weights) == network
