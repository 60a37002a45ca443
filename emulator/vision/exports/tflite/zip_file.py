"""Export to TensorFlow Lite."""

from __future__ import annotations

from emulator.vision.exports.bundle import bundle, metadata_properties
from emulator.vision.exports.formats import ExportOrder, Progress
from emulator.vision.exports.graph import export_network, pixel_format
from emulator.vision.exports.samples import sample_files
from emulator.vision.exports.stored_model import read_stored_model
from emulator.vision.exports.tflite.writer import tflite_bytes

MODEL_FILE = "model.tflite"


def tflite_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`model.tflite` with metadata, labels and sample programs.

    Input and outputs are those of the frozen graph. The flavor "TensorFlowLiteFloat16" stores the weights in
    half precision; runtimes compute in single precision, or in half precision where that is faster.
    """
    stored = read_stored_model(order)
    progress(0.4, "Writing the model")
    content = tflite_bytes(
        export_network(stored, order.domain, "tensorflow"),
        half=order.flavor == "TensorFlowLiteFloat16",
        description=order.domain,
    )
    metadata = metadata_properties(
        order,
        resolution=stored.network.resolution,
        multilabel=stored.multilabel,
        fit=stored.fit,
        pixels=pixel_format(order.domain, detection=stored.detection, family="tensorflow"),
    )
    return bundle(
        order, {MODEL_FILE: content}, metadata, sample_files("tensorflow_lite", detection=stored.detection)
    )
