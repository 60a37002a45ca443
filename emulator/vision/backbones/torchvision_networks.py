"""Classification networks of torchvision: find the one that a weights file belongs to, and load it.

Uses PyTorch and torchvision; for the command line only.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.vision import _torchvision
from emulator.vision.backbones.weights_files import WeightsRejected

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

_SMALLEST_SIDE, _LARGEST_SIDE, _USUAL_SIDE = 32, 1024, 224
# Of ImageNet, which all networks of torchvision were trained with.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CLASSES = 1000
# The least share of common weight names (intersection over union) for which an architecture is suggested.
_MIN_SHARED_NAMES = 0.5
# torchvision's convention: a file name ends with the first digits of the file's SHA-256.
_CHECKED_NAME = re.compile(r"([a-z0-9_.]+)-([0-9a-f]{8,64})\.pth")
# The published weights of DenseNet use older names of its layers.
_OLD_DENSE_LAYER = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)$")
# The batch counter of batch norms. Old files lack it, and inference does not use it.
_COUNTER = "num_batches_tracked"
_OTHER_KINDS = {
    "detection": "an object detection network",
    "segmentation": "a segmentation network",
    "video": "a network for videos",
    "optical_flow": "a network for optical flow",
    "quantization": "a quantized network",
}


@dataclass(frozen=True)
class LoadedNetwork:
    """A network with a user's weights, without its classifier.

    Attributes:
        architecture: torchvision's name.
        module: normalised images (N, 3, resolution, resolution) to features (N, width); in evaluation mode.
        resolution: side of the images in pixels.
        mean, deviation: for red, green and blue, 0..1; the images are normalised with these.
        parameters: the number of weights, including those of the classifier.
    """

    architecture: str
    module: Module
    resolution: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    parameters: int


@dataclass(frozen=True)
class _Published:
    """A file that torchvision publishes: its architecture and its entry in torchvision's table."""

    architecture: str
    weights: Any


class _WeightsMismatch(Exception):
    """The weights do not belong to the architecture; the message names the first difference."""


def architectures() -> list[str]:
    """The names of all classification networks of torchvision.

    Raises:
        ImportError: torchvision is not installed.
    """
    models = _torchvision.load().models
    names: list[str] = models.list_models(module=models)
    return names


def check_name(path: Path, digest: str) -> None:
    """Check a file against the checksum in its name, if torchvision named it.

    Args:
        digest: SHA-256 of the file, in hexadecimal.

    Raises:
        WeightsRejected: the checksum is another one, or the name is that of a network that does not classify.
    """
    for kind, name in _OTHER_KINDS.items():
        if path.name in _published_files(kind):
            raise WeightsRejected(f"this is {name}; only networks that classify images can be used")
    found = _CHECKED_NAME.fullmatch(path.name)
    known = path.name in _published_files(None)
    # Eight digits without a letter can also be a date.
    if found and (known or not found[2].isdigit()) and not digest.startswith(found[2]):
        raise WeightsRejected(
            f"the file is damaged: by its name its SHA-256 begins with {found[2]}, but it is {digest[:16]}..."
            "; get it again, or if it is another one, rename it"
        )


def load_network(
    path: Path, state: dict[str, Tensor], *, architecture: str | None = None, resolution: int | None = None
) -> LoadedNetwork:
    """Load the network that the weights belong to.

    Args:
        path: the file; torchvision's published files are recognised by their names.
        state: its content.
        architecture: torchvision's name; None finds it.
        resolution: side of the images in pixels; None takes the one that the network was published with.

    Raises:
        WeightsRejected: the weights belong to no classification network or not to this one, or it does not
            work at this resolution.
        ImportError: torchvision is not installed.
    """
    if resolution is not None and not _SMALLEST_SIDE <= resolution <= _LARGEST_SIDE:
        raise WeightsRejected(
            f"the resolution {resolution} is not one from {_SMALLEST_SIDE} to {_LARGEST_SIDE} pixels"
        )
    state = {_OLD_DENSE_LAYER.sub(r"\1\2", name): value for name, value in state.items()}
    published = _published_files(None).get(path.name)
    name = architecture or (published.architecture if published else _recognised(state, path.name))
    weights = published.weights if published and published.architecture == name else _default_weights(name)
    transforms = weights.transforms() if weights is not None else None
    usual = int(transforms.crop_size[0]) if transforms else _USUAL_SIDE
    side = resolution or _own_side(name, state) or usual
    try:
        module = _loaded(name, state, side)
    except _WeightsMismatch as error:
        raise WeightsRejected(f"the weights are not those of {name}: {error}") from None
    return LoadedNetwork(
        architecture=name,
        module=module,
        resolution=side,
        mean=_three(transforms.mean) if transforms else _MEAN,
        deviation=_three(transforms.std) if transforms else _DEVIATION,
        parameters=sum(value.numel() for value in state.values() if value.is_floating_point()),
    )


def checked_architecture(name: str) -> str:
    """The name in torchvision's spelling.

    Raises:
        WeightsRejected: torchvision has no such classification network.
        ImportError: torchvision is not installed.
    """
    import difflib

    known = architectures()
    spelled = name.lower().replace("-", "_")
    if spelled in known:
        return spelled
    near = difflib.get_close_matches(spelled, known, 3)
    hint = f"did you mean {', '.join(near)}?" if near else "see torchvision.models.list_models()"
    raise WeightsRejected(f"{name[:100]!r} is no classification network of torchvision; {hint}")


# --- what torchvision publishes -----------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _published_files(kind: str | None) -> Mapping[str, _Published]:
    """The files that torchvision publishes, by name: of classification networks, or of another kind."""
    models = _torchvision.load().models
    found = {}
    for name in models.list_models(module=models if kind is None else getattr(models, kind)):
        for weights in models.get_model_weights(name):
            found[weights.url.rpartition("/")[2]] = _Published(name, weights)
    return found


def _default_weights(architecture: str) -> Any:
    weights = _torchvision.load().models.get_model_weights(architecture)
    return getattr(weights, "DEFAULT", None)


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


# --- recognising --------------------------------------------------------------------------------------------


def _recognised(state: Mapping[str, Tensor], file_name: str) -> str:
    """The architecture whose weights have these names and shapes. One in the file name is tried first."""
    names = _names(state)
    likeness = {}
    for architecture in sorted(architectures(), key=file_name.startswith, reverse=True):
        side = _own_side(architecture, state) or _USUAL_SIDE
        wanted = expected_shapes(architecture, _has_auxiliary(state)).keys()
        likeness[architecture] = len(wanted & names) / len(wanted | names)
        if wanted == names and _mismatch(_skeleton(architecture, state, side), state) is None:
            return architecture
    nearest = max(likeness, key=lambda name: likeness[name])
    if any(name.startswith(("rpn.", "roi_heads.", "head.classification_head.")) for name in names):
        hint = "they look like those of an object detection network"
    elif any(name.startswith("backbone.") for name in names):
        hint = "they look like those of a network built around one (detection, segmentation)"
    elif likeness[nearest] > _MIN_SHARED_NAMES:
        hint = f"{nearest} comes nearest; --architecture {nearest} says what differs"
    else:
        hint = "their names are unlike those of any of them"
    raise WeightsRejected(f"these are the weights of no classification network of torchvision: {hint}")


@lru_cache(maxsize=256)
def expected_shapes(architecture: str, auxiliary: bool) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of the weights of a network for 1000 classes and images of 224 pixels.

    Args:
        auxiliary: include the auxiliary classifiers, if the network has any.
    """
    options = _options(architecture, {"aux": None} if auxiliary else {}, _USUAL_SIDE)
    state = _built(architecture, options).state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if not name.endswith(_COUNTER)}


def _has_auxiliary(state: Mapping[str, Any]) -> bool:
    """Whether the weights include auxiliary classifiers, which only training uses."""
    return any(name.lower().startswith("aux") for name in state)


def _names(state: Mapping[str, Any]) -> set[str]:
    return {_as_new(name) for name in state if not name.endswith(_COUNTER)}


def _as_new(name: str) -> str:
    """The current name of a weight. ViT renames older names of its published weights on load."""
    return re.sub(r"\.mlp\.linear_([12])\.", lambda found: f".mlp.{0 if found[1] == '1' else 3}.", name)


def _mismatch(module: Module, state: Mapping[str, Tensor]) -> str | None:
    """The name of the first weight that has another shape in the network."""
    renamed = {_as_new(name): value for name, value in state.items()}
    for name, value in module.state_dict().items():
        if name in renamed and renamed[name].shape != value.shape:
            return name
    return None


# --- building -----------------------------------------------------------------------------------------------


def _loaded(architecture: str, state: dict[str, Tensor], side: int) -> Module:
    """The network with the weights, without its classifier."""
    from torch.nn import Identity

    state = _resized_positions(architecture, state, side)
    try:
        module = _skeleton(architecture, state, side)
    except (ValueError, AssertionError) as error:
        raise WeightsRejected(f"{architecture} does not work at {side} pixels: {error}") from error
    renamed = _names(state)
    expected = _names(module.state_dict())
    if expected != renamed:
        missing, unknown = sorted(expected - renamed), sorted(renamed - expected)
        raise _WeightsMismatch(
            "; ".join(
                f"{len(some)} {what}, the first is {some[0][:100]!r}"
                for some, what in ((missing, "are missing"), (unknown, "are not known"))
                if some
            )
        )
    differing = _mismatch(module, state)
    if differing is not None:
        raise _WeightsMismatch(f"{differing!r} has another shape")
    versioned = OrderedDict(state)
    # The current layout. MNASNet reads this entry, which files of safetensors do not have.
    versioned._metadata = {"": {"version": 2}}  # type: ignore[attr-defined]
    try:
        module.load_state_dict(versioned, strict=True, assign=True)
    except RuntimeError as error:
        raise _WeightsMismatch(" ".join(str(error).split())[:300]) from error
    # The features are the input of the classifier.
    module.set_submodule(_classifier_name(module), Identity())
    return module.eval().requires_grad_(False)


def _skeleton(architecture: str, state: Mapping[str, Tensor], side: int) -> Module:
    """The network without weights, with as many classes as the file has.

    Raises:
        ValueError: it does not work at this resolution.
    """
    options = _options(architecture, state, side)
    classifier = _classifier_name(_built(architecture, {**options, "num_classes": _CLASSES}))
    weight = state.get(f"{classifier}.weight")
    if weight is None or weight.ndim not in (2, 4) or not len(weight):
        raise _WeightsMismatch(f"{classifier + '.weight'!r} is missing")
    return _built(architecture, {**options, "num_classes": len(weight)})


def _options(architecture: str, state: Mapping[str, Any], side: int) -> dict[str, Any]:
    """Constructor arguments that some architectures need."""
    if architecture in ("googlenet", "inception_v3"):
        # They were published with another normalisation, which `transform_input` applies.
        return {"transform_input": True, "init_weights": False, "aux_logits": _has_auxiliary(state)}
    if architecture.startswith("vit_"):
        return {"image_size": side}
    return {"input_size": (side, side)} if architecture.startswith("maxvit") else {}


def _built(architecture: str, options: dict[str, Any]) -> Module:
    with _without_memory():
        module: Module = _torchvision.load().models.get_model(architecture, weights=None, **options)
    return module


@contextmanager
def _without_memory() -> Iterator[None]:
    """Create layers with shapes but without data: filling large ones with random numbers takes long.

    `torch.device("meta")` does not work here: some networks compute widths with tensors.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Shapes(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if function is torch.empty:
                kwargs["device"] = "meta"
            return function(*args, **kwargs)

    with Shapes():
        yield


def _classifier_name(module: Module) -> str:
    """The name of the classifier: the last linear or convolutional layer."""
    from torch import nn

    names: list[str] = [
        name for name, layer in module.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    return names[-1]


def _own_side(architecture: str, state: Mapping[str, Tensor]) -> int | None:
    """The side in pixels of the images that the weights were made for, if they determine it: ViT's do."""
    positions = state.get("encoder.pos_embedding")
    patches = state.get("conv_proj.weight")
    if not architecture.startswith("vit_") or positions is None or patches is None:
        return None
    if positions.ndim != 3 or patches.ndim != 4:
        return None
    return math.isqrt(max(0, positions.shape[1] - 1)) * int(patches.shape[-1])


def _resized_positions(architecture: str, state: dict[str, Tensor], side: int) -> dict[str, Tensor]:
    """Interpolate the position embeddings of ViT for another resolution."""
    own = _own_side(architecture, state)
    if own in (None, side):
        return state
    patch = int(state["conv_proj.weight"].shape[-1])
    if side % patch:
        raise WeightsRejected(f"{architecture} needs a multiple of {patch} as its resolution, not {side}")
    module = _torchvision.load().models.vision_transformer
    try:
        resized: dict[str, Tensor] = module.interpolate_embeddings(side, patch, dict(state))
    except ValueError as error:
        raise WeightsRejected(f"{architecture} does not work at {side} pixels: {error}") from error
    return resized


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
