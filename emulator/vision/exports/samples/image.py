"""Read an image as the input of the exported model."""

import json
from pathlib import Path

import numpy
from PIL import Image, ImageOps

FOLDER = Path(__file__).resolve().parent.parent


def metadata() -> dict[str, str]:
    """The content of metadata_properties.json."""
    properties: dict[str, str] = json.loads((FOLDER / "metadata_properties.json").read_text(encoding="utf-8"))
    return properties


def labels() -> list[str]:
    """The names of the tags, in the order of the model's outputs."""
    return (FOLDER / "labels.txt").read_text(encoding="utf-8").split("\n")


def load_image(path: str) -> numpy.ndarray:
    """The input tensor of an image file: float32, (1, height, width, 3)."""
    properties = metadata()
    size = tuple(int(properties[f"CustomVision.Preprocess.Target{side}"]) for side in ("Width", "Height"))
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB").resize(size, Image.Resampling.BILINEAR)
    pixels = numpy.asarray(image, dtype=numpy.float32)
    if properties["Image.BitmapPixelFormat"] == "Bgr8":
        pixels = pixels[:, :, ::-1]
    if properties["Image.NominalPixelRange"] == "Normalized_0_1":
        pixels = pixels / 255
    return numpy.ascontiguousarray(pixels[numpy.newaxis])
