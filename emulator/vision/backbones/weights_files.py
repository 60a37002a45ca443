"""Read users' weights files without running any code in them, and check them.

The result is a state dict: tensors by name, float32 or integers. Uses PyTorch; for the command line and the
worker process only.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# An ONNX file cannot hold more than 2 GB.
MAX_FILE_BYTES = 4 * 2**30
MAX_WEIGHT_BYTES = 1900 * 10**6

# Keys under which training scripts save the state dict beside other entries.
_WRAPPERS = ("model", "state_dict", "model_state_dict", "model_ema")
# Prefixes that data-parallel training and compilation add to every name.
_PREFIXES = ("module.", "_orig_mod.")
_ZIP, _OLD_PICKLE = b"PK\x03\x04", b"\x80"
_MAX_REASON_LENGTH = 200


class WeightsRejected(Exception):
    """The file cannot be used; the message tells the user why."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of PyTorch (`torch.save`) or safetensors, with any file name.

    Raises:
        WeightsRejected: the file is of another format, holds other objects too, is damaged, is too large, or
            has weights that are not finite.
        OSError: the file cannot be read.
        ImportError: PyTorch or safetensors is not installed.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise WeightsRejected(f"the file has {size / 2**30:.1f} GB; {MAX_FILE_BYTES // 2**30} are the most")
    with path.open("rb") as file:
        head = file.read(9)
    if head.startswith((_ZIP, _OLD_PICKLE)):
        content = _read_pytorch(path, zipped=head.startswith(_ZIP))
    elif head[8:9] == b"{" and 1 < int.from_bytes(head[:8], "little") < size:
        content = _read_safetensors(path)
    else:
        raise WeightsRejected(
            "this is no file of weights: neither PyTorch's (.pth, .pt) nor safetensors (or it is not whole)"
        )
    return _checked(_state(content))


def _read_pytorch(path: Path, *, zipped: bool) -> Any:
    import torch

    try:
        if zipped:
            with zipfile.ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > MAX_FILE_BYTES:
                    raise WeightsRejected("the unpacked content of the file is too large")
        return torch.load(path, map_location="cpu", weights_only=True)
    except (WeightsRejected, OSError, MemoryError):
        raise
    except zipfile.BadZipFile:
        raise WeightsRejected("the file is damaged or not whole; get it again") from None
    except pickle.UnpicklingError:
        raise WeightsRejected(
            "the file holds more than weights (pickled code or objects), which is not loaded; "
            "save the weights alone: torch.save(model.state_dict(), FILE)"
        ) from None
    except Exception as error:
        # Damaged files make PyTorch raise almost any error: RuntimeError, EOFError, KeyError, ...
        if "TorchScript" in str(error):
            raise WeightsRejected(
                "the file is a TorchScript program; save its weights: torch.save(model.state_dict(), FILE)"
            ) from None
        raise WeightsRejected(
            f"the file is damaged or not whole; get it again ({short_reason(error)})"
        ) from error


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsRejected(
            f"the file is damaged or not whole; get it again ({short_reason(error)})"
        ) from error


def short_reason(error: Exception) -> str:
    """The first line of an error's message, or its type if the message is empty."""
    line = (str(error).splitlines() or [""])[0].strip()
    return (line or type(error).__name__)[:_MAX_REASON_LENGTH]


def _state(content: Any) -> dict[str, Tensor]:
    """The state dict without the entries that training scripts save around it."""
    import torch

    if not isinstance(content, dict):
        raise WeightsRejected(f"the file holds no weights by name but a {type(content).__name__}")
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            content = content[wrapper]
            break
    if not content:
        raise WeightsRejected("there are no weights in the file")
    for prefix in _PREFIXES:
        if all(str(name).startswith(prefix) for name in content):
            content = {str(name).removeprefix(prefix): value for name, value in content.items()}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise WeightsRejected(
                f"{str(name)[:100]!r} in the file is not a weight but a {type(value).__name__}; "
                "save the weights alone: torch.save(model.state_dict(), FILE)"
            )
    return dict(content)


def _checked(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Dense tensors of finite numbers: float32, or integers unchanged."""
    import torch

    size = 4 * sum(value.numel() for value in state.values())
    if size > MAX_WEIGHT_BYTES:
        raise WeightsRejected(
            f"the network has {size / 10**9:.1f} GB of weights; model files of ONNX cannot hold more than 2"
        )
    checked = {}
    for name, value in state.items():
        if value.layout != torch.strided or value.is_quantized or value.is_complex() or value.is_meta:
            raise WeightsRejected(
                f"the weight {name!r} is quantized, sparse or complex; plain ones are needed"
            )
        if value.is_floating_point():
            value = value.detach().to(torch.float32).contiguous()
            if not bool(torch.isfinite(value).all()):
                raise WeightsRejected(f"the weight {name!r} has values that are not finite numbers (NaN)")
        checked[name] = value
    return checked
