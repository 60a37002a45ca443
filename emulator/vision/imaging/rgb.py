"""Conversion of decoded images to RGB, in strips, so that no further copy of the whole image is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from PIL.Image import Image

_STRIP_PIXELS = 1_000_000


def to_rgb(source: Image, factor: int = 1) -> Image:
    """An image as RGB with 8 bits a channel, scaled down by averaging `factor` x `factor` pixels.

    Transparent pixels are blended with white, 16-bit grey is scaled to 8 bits. The result has no metadata. It
    can be `source` itself.
    """
    rows = max(1, _STRIP_PIXELS // (source.width * factor)) * factor
    if source.height <= rows or (source.mode == "RGB" and not source.has_transparency_data):
        result = _strip_to_rgb(source, factor)
    else:
        result = _in_strips(source, factor, rows)
    result.info.clear()
    return result


def _in_strips(source: Image, factor: int, rows: int) -> Image:
    from PIL import Image as Pillow

    result = Pillow.new("RGB", (-(-source.width // factor), -(-source.height // factor)))
    for top in range(0, source.height, rows):
        strip = source.crop((0, top, source.width, min(source.height, top + rows)))
        result.paste(_strip_to_rgb(strip, factor), (0, top // factor))
    return result


def _strip_to_rgb(image: Image, factor: int) -> Image:
    from PIL import Image as Pillow

    if image.mode.startswith("I"):
        image = _eight_bits(image)
    elif image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if factor > 1:
        image = image.reduce(factor)
    if image.has_transparency_data:
        transparent = image.convert("RGBA")
        image = Pillow.new("RGB", transparent.size, "white")
        image.paste(transparent, mask=transparent.getchannel("A"))
    return image.convert("RGB") if image.mode != "RGB" else image


def _eight_bits(image: Image) -> Image:
    """Convert 16-bit grey (mode I;16, or I in older Pillow) to 8 bits. Pillow may clip instead of scaling."""
    import numpy
    from PIL import Image as Pillow

    sixteen_bits: numpy.ndarray = numpy.asarray(image)
    return Pillow.fromarray((sixteen_bits >> 8).clip(0, 255).astype(numpy.uint8))
