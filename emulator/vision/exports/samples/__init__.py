"""Sample programs and a README that come with an exported model.

The other modules of this package are those programs. They are copied into the zip, import nothing of the
emulator, and need Pillow, NumPy and the runtime of the format.
"""

from __future__ import annotations

from importlib import resources

# The program that predicts, by kind of model file; None for kinds that are not loaded from Python.
_PROGRAMS = {
    "onnx": "predict_onnx.py",
    "tensorflow": "predict_tensorflow.py",
    "tensorflow_saved_model": "predict_saved_model.py",
    "tensorflow_lite": "predict_tensorflow_lite.py",
    "torch": "predict_torch.py",
    "tensorflow_js": None,
    "openvino": None,
    "coreml": None,
}
_SHARED = ("image.py", "outputs.py")
_PACKAGES = {
    "onnx": "onnxruntime",
    "tensorflow": "tensorflow",
    "tensorflow_saved_model": "tensorflow",
    "tensorflow_lite": "ai-edge-litert",
    "torch": "torch",
}
_JAVASCRIPT = """\
    import * as cvstfjs from '@microsoft/customvision-tfjs';

    const model = new cvstfjs.%s();
    await model.loadModelAsync('model.json');
    const result = await model.executeAsync(document.getElementById('image'));

For classifiers the package crops images in its own way. To get exactly the results of the Prediction API,
pass a tensor of the image as described above instead of the element: float32, [1, side, side, 3], 0 to 255,
with the channel order in `metadata_properties.json`.
"""


def sample_files(kind: str, *, detection: bool) -> dict[str, bytes]:
    """The sample files: paths in the zip and contents.

    Args:
        kind: of model file: "onnx", "tensorflow", "tensorflow_saved_model", "tensorflow_lite", "torch",
            "tensorflow_js", "openvino" or "coreml".
        detection: whether the model is a detector.
    """
    files = {"README.md": _read_me(kind, detection).encode()}
    program = _PROGRAMS[kind]
    if program is not None:
        files["python/predict.py"] = _content(program)
        files |= {f"python/{name}": _content(name) for name in _SHARED}
    return files


def _content(name: str) -> bytes:
    return (resources.files(__name__) / name).read_bytes()


def _read_me(kind: str, detection: bool) -> str:
    task = "Object detection" if detection else "Image classification"
    text = f"""\
# {task}, exported from Custom Vision Emulator

| File | |
|---|---|
| `labels.txt` | names of the tags, one per line, in the order of the model's outputs |
| `metadata_properties.json` | how to prepare images and read the outputs |
| `cvexport.manifest` | the origin of the model, and the SHA-1 of its file |

The image, upright and in RGB, with transparent pixels blended with white, becomes a square as `CropMethod` in
`metadata_properties.json` says (bilinear):

* `NoCrop`: the whole image is stretched to `TargetWidth` x `TargetHeight`.
* `OneCropCenter`: the shorter side is scaled to `TargetWidth`, and the centre of `CropWidth` x `CropHeight`
  pixels is cropped.

`Image.BitmapPixelFormat` and `Image.NominalPixelRange` in `metadata_properties.json` are the order and
range of the channels.
"""
    if _PROGRAMS[kind] is not None:
        text += f"""
## Try it

    pip install numpy pillow {_PACKAGES[kind]}
    python python/predict.py image.jpg
"""
    if kind == "tensorflow_js":
        text += "\n## Try it\n\n" + _JAVASCRIPT % (
            "ObjectDetectionModel" if detection else "ClassificationModel"
        )
    return text
