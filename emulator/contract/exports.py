"""Platforms and flavors of exports in each version, and the flavor of a request without one."""

from collections.abc import Collection

from emulator.contract.versions import Version

_Since = dict[str, tuple[int, int]]

PLATFORMS: _Since = {
    "CoreML": (3, 0),
    "TensorFlow": (3, 0),
    "DockerFile": (3, 0),
    "ONNX": (3, 0),
    "VAIDK": (3, 0),
    "OpenVino": (3, 3),
}
# The platforms that `exportableTo` of an iteration names, in its order; 3.4-preview has null there.
_EXPORTABLE_TO: _Since = {
    "CoreML": (3, 0),
    "DockerFile": (3, 0),
    "ONNX": (3, 0),
    "OpenVino": (3, 3),
    "TensorFlow": (3, 0),
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
# Accepted by every version, though no enumeration lists them: the service's own files have them.
UNLISTED_FLAVORS: _Since = {
    "OnnxFloat16": (3, 0),
    "CoreMLFloat16": (3, 0),
    "TensorFlowJs": (3, 1),
    "TensorFlowSavedModel": (3, 1),
    "TensorFlowLiteFloat16": (3, 1),
    "NoPostProcess": (3, 3),
}
# The flavor in responses of an export without one, where it is not null; by version and platform.
_DEFAULT_FLAVORS = {(3, 1): {"TensorFlow": "TensorFlowNormal"}, (3, 2): {"TensorFlow": "TensorFlowNormal"}}


def platforms(version: Version) -> tuple[str, ...]:
    """The platforms of a version."""
    return _known(PLATFORMS, version)


def flavors(version: Version) -> tuple[str, ...]:
    """The flavors that a version accepts."""
    return _known(FLAVORS | UNLISTED_FLAVORS, version)


def exportable_to(version: Version, platforms: Collection[str]) -> list[str]:
    """`exportableTo` of an iteration that can be exported to `platforms`."""
    return [platform for platform in _known(_EXPORTABLE_TO, version) if platform in platforms]


def default_flavor(version: Version, platform: str) -> str | None:
    """The flavor in responses of an export to `platform` that was requested without a flavor."""
    return _DEFAULT_FLAVORS.get(version.number, {}).get(platform)


def _known(names: _Since, version: Version) -> tuple[str, ...]:
    return tuple(name for name, since in names.items() if version.number >= since)
