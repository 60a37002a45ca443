"""Heat maps as images that are laid over the image that they are of."""

from __future__ import annotations

from io import BytesIO

from emulator.vision.heat_maps.mapper import HeatMap

_LONGEST_SIDE = 512
# Of the places with the value 1; others are more transparent. A map of the value 0 is invisible.
_OPACITY = 0.7


def overlay_png(heat_map: HeatMap) -> bytes:
    """A PNG with transparency and the aspect ratio of the image: from yellow to red with the value.

    It is 512 pixels long. Stretched to the size of the image, its pixels lie where those of the image do.
    """
    import numpy
    from PIL import Image
    from PIL.Image import Resampling

    scale = _LONGEST_SIDE / max(heat_map.width, heat_map.height)
    width, height = (max(1, round(side * scale)) for side in (heat_map.width, heat_map.height))
    region = heat_map.region
    left, top = round(region.left * width), round(region.top * height)
    size = (max(1, round(region.width * width)), max(1, round(region.height * height)))
    small = Image.fromarray(heat_map.values_HW.astype(numpy.float32))
    values = numpy.asarray(small.resize(size, Resampling.BICUBIC)).clip(0, 1)
    pixels = numpy.zeros((*values.shape, 4), numpy.uint8)
    pixels[..., 0] = 255
    pixels[..., 1] = numpy.rint(255 * (1 - values))
    pixels[..., 3] = numpy.rint(255 * _OPACITY * values)
    overlay = Image.new("RGBA", (width, height))
    overlay.paste(Image.fromarray(pixels), (left, top))
    encoded = BytesIO()
    overlay.save(encoded, "PNG", optimize=True)
    return encoded.getvalue()
