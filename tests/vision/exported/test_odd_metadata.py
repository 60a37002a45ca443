"""Manifests, metadata and labels with values of any kind: refused in one sentence, or a choice is made."""

import json
import logging
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emulator.vision.exported.files import ExportUnusable
from emulator.vision.exported.model import ExportedClassifier, ExportedDetector, load_export
from tests.support.exported_models import (
    BGR,
    COLOURS,
    colour_classifier,
    metadata_properties,
    plain,
    s1_classifier,
    yolo_detector,
    zip_of,
)

MANIFEST = {
    "DomainType": "Classification",
    "Platform": "ONNX",
    "ExportedDate": "2019-05-11T19:45:31.4268582Z",
    "IterationId": "0a1b2c3d-0000-4000-8000-00000000abcd",
    "ModelFileName": "model.onnx",
    "LabelFileName": "labels.txt",
    "MetadataPropsFileName": "metadata_properties.json",
    "ModelFileSHA1": "00" * 20,
}
PROPERTIES = metadata_properties(
    "ClassificationMultiClass",
    Preprocess_CropHeight="224",
    Preprocess_CropWidth="224",
    Preprocess_MaxDimension="0",
    Preprocess_MinScale="0.0",
    Preprocess_NormalizeMean="[0.0, 0.0, 0.0]",
)
# The networks whose files are changed, with their labels.
MODELS = {
    "classifier": (colour_classifier().SerializeToString(), COLOURS),
    "s1": (s1_classifier().SerializeToString(), COLOURS),
    "detector": (yolo_detector(side=416).SerializeToString(), ("a", "b")),
}
ODD_TEXTS = [
    "",
    " ",
    "0",
    "0.0",
    "256.0",
    "256.5",
    "-1",
    "1e9",
    "99999999999999999999",
    "9" * 5000,
    "²⁰²⁰",
    "nan",
    "Infinity",
    "None",
    "true",
    "NoCrop",
    "OneCropCenter",
    "FullImageShorterSide",
    "ByPixelCountAlign32",
    "ByShorterSideAlign32",
    "FiveCrop",
    "Yolo",
    "SSD",
    "Segmentation",
    "Bgr8",
    "Gray8",
    "Normalized_1_1",
    "[]",
    "[1, 2, 3]",
    '["a", "b"]',
    "[1e400, 1]",
    f"[{'1' * 400}, 1]",
    "{}",
    "[" * 2000,
    "a\nb",
    "\ud800",
    "\0",
    "../labels.txt",
    "x" * 10_000,
]
ODD = st.one_of(
    st.sampled_from(ODD_TEXTS),
    st.text(max_size=20),
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**400),
    st.floats(),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def changes(of: dict[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    """Some entries with other values, or missing (`...`)."""
    return st.dictionaries(st.sampled_from(sorted(of)), st.one_of(st.just(...), ODD), max_size=4)


def changed(of: dict[str, str], by: dict[str, Any]) -> bytes:
    return json.dumps({key: value for key, value in (of | by).items() if value is not ...}).encode()


def export(kind: str, files: dict[str, bytes]) -> bytes:
    model, labels = MODELS[kind]
    return zip_of({"model.onnx": model, "labels.txt": "\n".join(labels).encode(), **files})


def export_with_colours(metadata: dict[str, str]) -> bytes:
    """An export whose only metadata are those inside the model."""
    model = colour_classifier(metadata=metadata).SerializeToString()
    return zip_of({"model.onnx": model, "labels.txt": "\n".join(COLOURS).encode()})


def assert_usable_or_refused(data: bytes) -> None:
    """Scores an image; or one printable sentence says why not."""
    try:
        model = load_export(data)
    except ExportUnusable as refused:
        message = str(refused)
        assert 0 < len(message) < 1000
        assert message.isprintable()
        # An error of Python, instead of a sentence about the export.
        for trace in ("Traceback", "invalid literal", "could not convert", "object has no", "codec can't"):
            assert trace not in message
        return
    assert isinstance(model, ExportedClassifier | ExportedDetector)
    model.score(plain("red", (64, 48)))
    described = json.dumps(model.preprocessing, ensure_ascii=False).encode()
    assert len(described) < 2000


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(MODELS)), changes(MANIFEST), changes(PROPERTIES))
@example("classifier", {}, {"CustomVision.Preprocess.CropMethod": "\ud800"})
@example("classifier", {}, {"CustomVision.Preprocess.CropMethod": "x" * 10_000})
@example("classifier", {"ExportedDate": "²⁰²⁰"}, {})
@example("detector", {}, {"CustomVision.Postprocess.Yolo.Biases": f"[{'1' * 400}, 1]"})
@example("detector", {}, {"CustomVision.Postprocess.Method": "Segmentation"})
@example("detector", {"DomainType": 5}, {"CustomVision.Postprocess.Method": ...})
@example("classifier", {"LabelFileName": "../labels.txt"}, {})
def test_values_of_any_kind(kind: str, manifest: dict[str, Any], properties: dict[str, Any]) -> None:
    files = {
        "cvexport.manifest": changed(MANIFEST, manifest),
        "metadata_properties.json": changed(PROPERTIES, properties),
    }
    assert_usable_or_refused(export(kind, files))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["labels.txt", "cvexport.manifest", "metadata_properties.json"]),
    st.one_of(
        st.binary(max_size=40),
        st.recursive(ODD, lambda more: st.lists(more, max_size=3), max_leaves=5).map(
            lambda value: json.dumps(value).encode()
        ),
        st.sampled_from([b"", b"\xef\xbb\xbf", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe{\0}\0"]),
    ),
)
def test_files_of_any_content(name: str, content: bytes) -> None:
    assert_usable_or_refused(export("classifier", {name: content}))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes(BGR))
def test_values_of_any_kind_inside_the_model(properties: dict[str, Any]) -> None:
    metadata = {
        key: value
        for key, value in (BGR | properties).items()
        if isinstance(value, str) and value.isprintable()
    }
    assert_usable_or_refused(export_with_colours(metadata))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_of_any_compression_is_refused(method: int) -> None:
    whole = zip_of({"model.onnx": MODELS["classifier"][0], "labels.txt": "\n".join(COLOURS).encode()}, method)
    start = whole.index(b"model.onnx") + len(b"model.onnx")
    refused = 0
    for place in range(start, start + 60, 3):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        try:
            load_export(damaged)  # some bytes are not used
        except ExportUnusable as error:
            assert str(error).startswith("The zip is damaged")
            refused += 1
    assert refused >= 15


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("CustomVision.Preprocess.CropMethod", "FiveCrop", "unknown crop, CropMethod FiveCrop"),
        ("CustomVision.Preprocess.CropMethod", "\ud800", r"unknown crop, CropMethod '\ud800'"),
        (
            "CustomVision.Preprocess.TargetWidth",
            "4096",
            "TargetWidth of the metadata is not used",
        ),
        ("CustomVision.Preprocess.CropWidth", "-5", "CropWidth of the metadata is not used: it is -5"),
    ],
)
def test_values_that_are_not_used_are_logged(
    key: str, value: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    properties = changed(PROPERTIES, {key: value})
    with caplog.at_level(logging.WARNING):
        load_export(export("classifier", {"metadata_properties.json": properties}))
    assert message in caplog.text


@pytest.mark.parametrize(
    ("order", "range_", "message"),
    [
        ("Gray8", "NominalRange_0_255", "Image.BitmapPixelFormat is Gray8"),
        ("Bgr8", "Normalized_1_1", "Image.NominalPixelRange is Normalized_1_1"),
    ],
)
def test_colours_that_are_not_known_are_logged(
    order: str, range_: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = {"Image.BitmapPixelFormat": order, "Image.NominalPixelRange": range_}
    with caplog.at_level(logging.WARNING):
        load_export(export_with_colours(metadata))
    assert message in caplog.text
