"""Predict an image with model.onnx: python python/predict.py image.jpg"""

import sys

import numpy
import onnxruntime
from image import FOLDER, labels, load_image
from outputs import show


def main() -> None:
    session = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"])
    pixels = load_image(sys.argv[1]).transpose(0, 3, 1, 2)
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {session.get_inputs()[0].name: pixels}), strict=True))
    if "loss" in outputs:
        # A map from labels to probabilities, beside the most probable label.
        outputs = {"loss": numpy.array([outputs["loss"][0][label] for label in labels()])}
    elif "model_outputs0" in outputs:
        outputs = {"model_outputs0": outputs["model_outputs0"].transpose(0, 2, 3, 1)}
    show(outputs)


if __name__ == "__main__":
    main()
