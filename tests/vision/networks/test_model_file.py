"""The metadata of model files: written and read in one place."""

from dataclasses import replace

import pytest

from emulator.vision.networks.graph import INPUT, Network, Operation
from emulator.vision.networks.model_file import FIT, MULTILABEL, TASK, TILING, ModelMetadata
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


def test_files_without_a_fit_are_of_models_for_stretched_images() -> None:
    """Files of earlier versions have no such entry, and files for stretched images are the same as before."""
    cropped = replace(CLASSIFIER, fit="centre crop")
    assert FIT not in CLASSIFIER.to_properties()
    assert "stretched" in CLASSIFIER.to_properties()["emulator.preprocessing"]
    assert ModelMetadata.from_properties(CLASSIFIER.to_properties()).fit == "stretch"
    assert ModelMetadata.from_properties(cropped.to_properties()) == cropped


def test_an_unknown_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="fit: 'mosaic'"):
        ModelMetadata.from_properties({**CLASSIFIER.to_properties(), FIT: "mosaic"})


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
