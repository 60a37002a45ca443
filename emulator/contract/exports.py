"""What exports are called in each version: platforms, flavors, and the flavor that stands for none."""

from emulator.contract.versions import Version

_Since = dict[str, tuple[int, int]]

PLATFORMS: _Since = {
    "CoreML": (3, 0),
    "TensorFlow": (3, 0),
    "DockerFile": (3, 0),
    "ONNX": (3, 0),
    "VAIDK": (3, 0),
    "OpenVino": (3, 4),
}
FLAVORS: _Since = {
    "Linux": (3, 0),
    "Windows": (3, 0),
    "ONNX10": (3, 0),
    "ONNX12": (3, 0),
    "ARM": (3, 0),
    "TensorFlowNormal": (3, 1),
    "TensorFlowLite": (3, 1),
}
# In no version's enumeration, but the service's own pages offer them, and files of theirs are about.
UNLISTED_FLAVORS: _Since = {
    "OnnxFloat16": (3, 0),
    "CoreMLFloat16": (3, 0),
    "TensorFlowJs": (3, 1),
    "TensorFlowSavedModel": (3, 1),
    "TensorFlowLiteFloat16": (3, 1),
    "NoPostProcess": (3, 4),
}
# What a request that names no flavor asks for, where that is not null.
_DEFAULT_FLAVORS = {(3, 1): {"TensorFlow": "TensorFlowNormal"}, (3, 2): {"TensorFlow": "TensorFlowNormal"}}


def platforms(version: Version) -> tuple[str, ...]:
    """The platforms of a version."""
    return _known(PLATFORMS, version)


def flavors(version: Version) -> tuple[str, ...]:
    """The flavors that clients of a version may name."""
    return _known(FLAVORS | UNLISTED_FLAVORS, version)


def default_flavor(version: Version, platform: str) -> str | None:
    """The flavor of an export of `platform` that was asked for without one."""
    return _DEFAULT_FLAVORS.get(version.number, {}).get(platform)


def _known(names: _Since, version: Version) -> tuple[str, ...]:
    return tuple(name for name, since in names.items() if version.number >= since)
