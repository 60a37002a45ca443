"""The formats of exports: those of `emulator.vision`, and containers, which include files of the server."""

from emulator.vision.exports.formats import FORMATS as MODEL_FORMATS
from emulator.vision.exports.formats import Format, Formats

_CONTAINER = Format(f"{__package__}.container:container_zip")

FORMATS: Formats = {
    **MODEL_FORMATS,
    ("DockerFile", None): _CONTAINER,
    ("DockerFile", "Linux"): _CONTAINER,
    ("DockerFile", "Windows"): _CONTAINER,
    ("DockerFile", "ARM"): _CONTAINER,
}
