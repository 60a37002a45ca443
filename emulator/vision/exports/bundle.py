"""The files that all exports have: labels, manifest, metadata, licence; and a reproducible zip of them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from io import BytesIO
from pathlib import Path

from emulator.vision.exports.detection_outputs import ANCHORS, NMS_IOU_THRESHOLD
from emulator.vision.exports.formats import ExportOrder
from emulator.vision.exports.graph import PixelFormat, has_postprocessed_boxes
from emulator.vision.fit import Fit, resized_side
from emulator.vision.instant.model import is_instant

LICENCE_FILE = "LICENSE"
LABELS_FILE = "labels.txt"
MANIFEST_FILE = "cvexport.manifest"
METADATA_FILE = "metadata_properties.json"

# The versions of the service's exporter in its own files, by platform; those of other platforms have "2.1".
_EXPORTER_VERSIONS = {"ONNX": "2.0", "DockerFile": "2.2"}
_TENSORFLOW_FLAVOR_VERSION = "2.0"
_METADATA_VERSION = "1.2"
_DETECTOR_LICENCE = "nanodet-g-coco.LICENSE-Apache-2.0.txt"
_CLASSIFIER_NOTICE = """\
EfficientNet-Lite0: Mingxing Tan and Quoc V. Le, Google, 2020; converted by ML Illustrated, Copyright 2020.
The weights were folded with their batch norms, and a layer for the tags was trained on top.

"""
_INSTANT_NOTICE = """\
This model was made by the instant trainer of Custom Vision Emulator from the images of its project alone. It
contains no pretrained weights.
"""
# Compressing weights saves a fifteenth of their size and takes longer than writing the model.
_COMPRESSED = (".txt", ".json", ".manifest", ".md", ".py", ".xml", ".sh", "Dockerfile", "LICENSE")


def metadata_properties(
    order: ExportOrder, *, resolution: int, multilabel: bool, fit: Fit, pixels: PixelFormat
) -> dict[str, str]:
    """How to prepare the input and read the outputs, with the service's names. All values are text.

    Args:
        resolution: side in pixels of the square input.
        fit: how images become square.
    """
    yolo = order.domain_type == "ObjectDetection" and not has_postprocessed_boxes(order.domain)
    if yolo:
        method = "Yolo"
    elif order.domain_type == "ObjectDetection":
        method = "SSD"
    else:
        method = "ClassificationMultiLabel" if multilabel else "ClassificationMultiClass"
    cropped = fit == "centre crop"
    crop = str(resolution if cropped else 0)
    target = str(resized_side(resolution) if cropped else resolution)
    biases = [value for anchor in ANCHORS for value in anchor]
    return {
        "CustomVision.Metadata.AdditionalModelInfo": "",
        "CustomVision.Metadata.Version": _METADATA_VERSION,
        "CustomVision.Postprocess.Method": method,
        "CustomVision.Postprocess.Yolo.Biases": json.dumps(biases if yolo else []),
        "CustomVision.Postprocess.Yolo.NmsThreshold": str(NMS_IOU_THRESHOLD if yolo else 0.0),
        "CustomVision.Preprocess.CropHeight": crop,
        "CustomVision.Preprocess.CropMethod": "OneCropCenter" if cropped else "NoCrop",
        "CustomVision.Preprocess.CropWidth": crop,
        "CustomVision.Preprocess.MaxDimension": "0",
        "CustomVision.Preprocess.MaxScale": "0.0",
        "CustomVision.Preprocess.MinDimension": "0",
        "CustomVision.Preprocess.MinScale": "0.0",
        "CustomVision.Preprocess.NormalizeMean": "[0.0, 0.0, 0.0]",
        "CustomVision.Preprocess.NormalizeStd": "[1.0, 1.0, 1.0]",
        "CustomVision.Preprocess.ResizeMethod": "ByShorterSide" if cropped else "Stretch",
        "CustomVision.Preprocess.TargetHeight": target,
        "CustomVision.Preprocess.TargetWidth": target,
        "Image.BitmapPixelFormat": pixels.order,
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": pixels.range,
    }


def bundle(
    order: ExportOrder,
    model_files: Mapping[str, bytes],
    metadata: Mapping[str, str],
    extras: Mapping[str, bytes] | None = None,
    *,
    folder: str = "",
    manifest_file: tuple[str, bytes] | None = None,
) -> bytes:
    """The zip file of an export.

    Args:
        model_files: by name.
        metadata: from `metadata_properties`.
        extras: further files, by path in the zip.
        folder: in the zip, for the model and its descriptions; with a trailing slash.
        manifest_file: name and content of the file that the manifest names; None for the first model file.
    """
    files = {**model_files, **description_files(order, model_files, metadata, manifest_file)}
    in_folder = {folder + name: content for name, content in files.items()}
    return zipped({**in_folder, **(extras or {}), LICENCE_FILE: licence(order)}, order.created)


def licence(order: ExportOrder) -> bytes:
    """The origin and licence of the weights that the training started from."""
    if is_instant(Path(order.model)):
        return _INSTANT_NOTICE.encode()
    text = (resources.files("emulator.vision") / "weights" / _DETECTOR_LICENCE).read_text(encoding="utf-8")
    if order.domain_type == "ObjectDetection":
        return text.encode()
    _, title, terms = text.partition("                                 Apache License")
    return (_CLASSIFIER_NOTICE + title + terms).encode()


def description_files(
    order: ExportOrder,
    model_files: Mapping[str, bytes],
    metadata: Mapping[str, str],
    manifest_file: tuple[str, bytes] | None = None,
) -> dict[str, bytes]:
    """Labels, metadata and manifest of a model."""
    model_name, content = manifest_file or next(iter(model_files.items()))
    manifest = {
        "DomainType": order.domain_type,
        "Platform": order.platform,
        "Flavor": order.flavor,
        "ExporterVersion": _exporter_version(order),
        "ExportedDate": exported_date(order.created),
        "IterationId": order.iteration_id,
        "ModelFileName": model_name,
        "LabelFileName": LABELS_FILE,
        "MetadataPropsFileName": METADATA_FILE,
        "ModelFileSHA1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "SchemaVersion": "1.0",
    }
    return {
        # One label per line, also if its name contains line breaks.
        LABELS_FILE: "\n".join(" ".join(label.splitlines()) for label in order.labels).encode(),
        METADATA_FILE: json.dumps(metadata, indent=4).encode(),
        MANIFEST_FILE: json.dumps(manifest, indent=2).encode(),
    }


def _exporter_version(order: ExportOrder) -> str:
    if order.platform == "TensorFlow" and order.flavor is not None:
        return _TENSORFLOW_FLAVOR_VERSION
    return _EXPORTER_VERSIONS.get(order.platform, "2.1")


def exported_date(moment: datetime) -> str:
    """A date in UTC as .NET writes it: seven digits of the second, and Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


def zipped(files: Mapping[str, bytes], created: datetime) -> bytes:
    """A zip of these files in their order, all with the date `created`."""
    moment = created.astimezone(UTC)
    # Zip files cannot store years before 1980.
    date = moment.timetuple()[:6] if moment.year >= 1980 else (1980, 1, 1, 0, 0, 0)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date)
            entry.create_system = 3  # the default depends on the operating system
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_COMPRESSED) else zipfile.ZIP_STORED
            archive.writestr(entry, content)
    return buffer.getvalue()
