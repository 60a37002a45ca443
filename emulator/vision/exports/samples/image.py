"""Read an image as the input of the exported model."""

import json
from collections.abc import Mapping
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
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
    if image.has_transparency_data:
        # Transparent pixels are blended with white, as in the Prediction API.
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    pixels = numpy.asarray(resized(image, properties), dtype=numpy.float32)
    if properties["Image.BitmapPixelFormat"] == "Bgr8":
        pixels = pixels[:, :, ::-1]
    if properties["Image.NominalPixelRange"] == "Normalized_0_1":
        pixels = pixels / 255
    return numpy.ascontiguousarray(pixels[numpy.newaxis])


def resized(image: Image.Image, properties: Mapping[str, str]) -> Image.Image:
    """The image as the input of the model, which is a square: stretched, or the centre of the image."""

    def side(name: str) -> int:
        return int(properties[f"CustomVision.Preprocess.{name}"])

    target = side("TargetWidth")
    if properties["CustomVision.Preprocess.CropMethod"] != "OneCropCenter":
        return image.resize((target, side("TargetHeight")), Image.Resampling.BILINEAR)
    # The same as scaling the shorter side to the target and cropping the centre, in one step.
    crop = side("CropWidth")
    length = min(image.size) * crop / target
    left, top = (image.width - length) / 2, (image.height - length) / 2
    box = (left, top, left + length, top + length)
    return image.resize((crop, crop), Image.Resampling.BILINEAR, box=box)
