"""Runtimes of exported models: ONNX Runtime, and OpenVINO for TensorFlow's formats.

OpenVINO reads frozen graphs, saved models and TensorFlow Lite without TensorFlow, which is many times as
large. It is an optional extra, because most exports are ONNX or can be exported as ONNX.
"""

from __future__ import annotations

import logging
import re
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emulator.vision.exported.files import ExportedFiles, ExportUnusable
from emulator.vision.onnx_runtime import inference_session

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXTRA = "openvino"
_log = logging.getLogger(__name__)
_LONGEST_REASON = 300
# Names of outputs and inputs in exports. A tensor that passes through Identity nodes has all their names.
_KNOWN_NAMES = (
    "detected_boxes",
    "detected_classes",
    "detected_scores",
    "model_outputs0",
    "model_outputs",
    "model_output",
    "loss",
    "data",
    "image_tensor",
    "Placeholder",
)
# Height and width of the trial of a model whose fixed input size was made variable.
_TRIAL = (448, 608)


class Runtime(Protocol):
    """A loaded model with one input, safe for concurrent use.

    Attributes:
        input_name, input_shape: of the input; None for variable sides.
        half: the input is float16; else float32.
        metadata: from the model's own file.
        output_names: without ``:0``.
        output_ranks: number of dimensions by output; None if it is not known, or the output is no tensor.
    """

    input_name: str
    input_shape: tuple[int | None, ...]
    half: bool
    metadata: Mapping[str, str]
    output_names: tuple[str, ...]
    output_ranks: Mapping[str, int | None]

    def run(self, tensor: NDArray[Any]) -> dict[str, Any]:
        """The outputs by their names: arrays, or lists of mappings from label to probability."""


def load(files: ExportedFiles, threads: int = 1, *, open_size: bool = False) -> Runtime:
    """Load a model; `threads` is the number of processors that one run uses.

    open_size: make a fixed width and height variable, if the model can be run with other sizes.

    Raises:
        ExportUnusable: it does not load, has unknown operations, or a required package is not installed.
    """
    if open_size:
        try:
            runtime = _opened(files, threads)
            if runtime.input_shape[-2:] == (None, None) or runtime.input_shape[1:3] == (None, None):
                planar = runtime.input_shape[1] == 3
                runtime.run(_zeros((1, 3, *_TRIAL) if planar else (1, *_TRIAL, 3), runtime.half))
                return runtime
        except ImportError:
            _log.warning("The input size stays fixed: the package onnx is not installed.")
        except Exception as error:  # noqa: BLE001 - runtimes raise errors of many types
            _log.info("The input size stays fixed: %s", _reason(error))
    return _fixed(files, threads)


def _fixed(files: ExportedFiles, threads: int) -> Runtime:
    if files.kind == "onnx":
        return OnnxRuntime(files.model["model.onnx"], threads)
    return OpenVinoRuntime(files, threads)


def _opened(files: ExportedFiles, threads: int) -> Runtime:
    if files.kind != "onnx":
        return OpenVinoRuntime(files, threads, open_size=True)
    runtime = OnnxRuntime(files.model["model.onnx"], threads)
    if None in runtime.input_shape[2:]:
        return runtime
    import onnx

    model = onnx.load_from_string(files.model["model.onnx"])
    for value in (*model.graph.input, *model.graph.output):
        sides = value.type.tensor_type.shape.dim[2:]
        for side, name in zip(sides, ("height", "width"), strict=False):
            side.dim_param = f"{value.name}_{name}"
    del model.graph.value_info[:]
    return OnnxRuntime(model.SerializeToString(), threads)


def _zeros(shape: tuple[int, ...], half: bool) -> NDArray[Any]:
    import numpy

    return numpy.zeros(shape, numpy.float16 if half else numpy.float32)


class OnnxRuntime:
    """A `Runtime` with ONNX Runtime."""

    def __init__(self, model: bytes, threads: int) -> None:
        try:
            self._session = inference_session(model, threads)
            metadata = dict(self._session.get_modelmeta().custom_metadata_map)
            inputs = self._session.get_inputs()
            outputs = self._session.get_outputs()
        except Exception as error:  # noqa: BLE001
            # ONNX Runtime has a dozen exception types without a common base class.
            raise ExportUnusable(f"The ONNX model does not load: {_reason(error)}") from None
        self.input_name, self.input_shape, element = _only(
            [(one.name, _sides(one.shape), one.type) for one in inputs]
        )
        if element not in ("tensor(float)", "tensor(float16)"):
            raise ExportUnusable(f"The model's input '{self.input_name}' is {element}, not float.")
        self.half = element == "tensor(float16)"
        self.metadata: Mapping[str, str] = metadata
        self._outputs = [one.name for one in outputs]
        self.output_names = tuple(self._outputs)
        # A tensor without a declared shape has the same empty shape as a scalar.
        self.output_ranks: Mapping[str, int | None] = {
            one.name: len(one.shape or ()) or None for one in outputs
        }

    def run(self, tensor: NDArray[Any]) -> dict[str, Any]:
        values = self._session.run(self._outputs, {self.input_name: tensor})
        return dict(zip(self._outputs, values, strict=True))


class OpenVinoRuntime:
    """A `Runtime` with OpenVINO."""

    def __init__(self, files: ExportedFiles, threads: int, *, open_size: bool = False) -> None:
        try:
            import openvino
        except ImportError:
            raise ExportUnusable(
                f"This export is a TensorFlow model ({files.kind}). To run it, install OpenVINO: "
                f"pip install 'custom-vision-emulator[{EXTRA}]'. An ONNX export of the same iteration needs "
                "nothing more."
            ) from None
        core = openvino.Core()
        # OpenVINO recognises formats by files. Without memory mapping they can be deleted after loading.
        core.set_property({"ENABLE_MMAP": "NO"})
        with tempfile.TemporaryDirectory(prefix="custom-vision-model-") as folder:
            try:
                model = core.read_model(_written(files, Path(folder)))
                inputs = [
                    (_name(port), _open_sides(port), port.element_type.get_type_name())
                    for port in model.inputs
                ]
                self.input_name, self.input_shape, element = _only(inputs)
                if open_size and len(self.input_shape) == 4:
                    self.input_shape = tuple(3 if side == 3 else None for side in self.input_shape)
                if self.input_shape[:1] == (None,):
                    # One image at a time: OpenVINO optimises better with a fixed shape.
                    shape = [1, *(-1 if side is None else side for side in self.input_shape[1:])]
                    model.reshape(openvino.PartialShape(shape))
                # By default OpenVINO uses bfloat16 where supported, which changes probabilities by up to 0.1.
                options = {
                    "INFERENCE_NUM_THREADS": threads,
                    "INFERENCE_PRECISION_HINT": "f32",
                    "PERFORMANCE_HINT": "LATENCY",
                }
                self._compiled = core.compile_model(model, "CPU", options)
            except ExportUnusable:
                raise
            except Exception as error:  # noqa: BLE001
                # Almost always RuntimeError; readers of formats may raise others.
                raise ExportUnusable(f"The {files.kind} does not load: {_reason(error)}") from None
        if "f32" not in element and "float32" not in element:
            raise ExportUnusable(f"The model's input '{self.input_name}' is {element}, not float.")
        self.half = False
        self.metadata: Mapping[str, str] = {}
        self.output_names = tuple(_name(port) for port in self._compiled.outputs)
        ranks = (port.partial_shape.rank for port in self._compiled.outputs)
        self.output_ranks: Mapping[str, int | None] = {
            name: None if rank.is_dynamic else rank.get_length()
            for name, rank in zip(self.output_names, ranks, strict=True)
        }
        self._requests = threading.local()

    def run(self, tensor: NDArray[Any]) -> dict[str, Any]:
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._compiled.create_infer_request()
        values = request.infer({0: tensor})
        return {name: values[index] for index, name in enumerate(self.output_names)}


def _written(files: ExportedFiles, folder: Path) -> Path:
    """Write the files and return the path for OpenVINO. The names are ours or were checked."""
    for name, content in files.model.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    if files.kind == "saved model":
        (folder / "variables").mkdir(exist_ok=True)
        return folder
    return folder / next(iter(files.model))


def _only(
    inputs: list[tuple[str, tuple[int | None, ...], str]],
) -> tuple[str, tuple[int | None, ...], str]:
    if len(inputs) != 1:
        raise ExportUnusable(f"The model has {len(inputs)} inputs; one is expected.")
    return inputs[0]


def _sides(shape: list[Any]) -> tuple[int | None, ...]:
    """A shape of ONNX Runtime; its variable sides are names or None."""
    return tuple(side if isinstance(side, int) and side > 0 else None for side in shape)


def _open_sides(port: Any) -> tuple[int | None, ...]:
    shape = port.partial_shape
    if shape.rank.is_dynamic:
        return ()
    return tuple(None if side.is_dynamic else side.get_length() for side in shape)


def _name(port: Any) -> str:
    """The name in the graph, without TensorFlow's output index: a known one, or else the shortest."""
    names = {re.sub(r":\d+$", "", name) for name in port.names}
    known = [name for name in _KNOWN_NAMES if name in names]
    return known[0] if known else min(names, key=lambda name: (len(name), name), default="unnamed")


def _reason(error: Exception) -> str:
    """The first informative line of an error message, which may be pages with source locations."""
    lines = [line.strip() for line in str(error).splitlines()]
    informative = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return (informative or lines or [type(error).__name__])[0][:_LONGEST_REASON]
