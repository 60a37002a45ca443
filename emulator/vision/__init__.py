"""Images and labels in, models and figures out: a library without HTTP, database or rules of the service.

Programs use the names that this package exports, such as `train`, `predict`, `evaluate` and `export`, on
folders or on images in memory (`docs/library.md`). The rest of the emulator uses the packages below.
Importing any module is cheap: functions import NumPy, Pillow, ONNX Runtime and PyTorch when they need them.

From top to bottom:

* `library`: the functions for programs, datasets and reports; `domain_training`: the training of a domain;
* `exports`: write trained models in the service's export formats; `exported`: load and run such exports;
* `duplicates`: find nearly identical images; `heat_maps`: where a classifier finds the reasons for a tag;
* `instant`: models of the instant trainer, for tests of programs;
* `anomaly`: training on images of good parts alone;
* `classification`, `detection`: training, and sessions that score images with trained models;
* `backbones`: networks that users add, and models as the start of another training;
* `evaluation`: metrics, curves and confusion;
* `training`: the common parts of both kinds of training; `recipes`: domains and their hyperparameters;
* `networks`: networks as lists of operations, their weights and model files;
* `imaging`: decoding and scaling of images; `boxes`: geometry of boxes;
* the modules `concurrency`, `onnx_runtime`, `_torchvision` and `warm_up`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.vision.exports.formats import ExportFailed
    from emulator.vision.imaging.decode import ImageRejected
    from emulator.vision.library.datasets import Dataset, Region, Sample
    from emulator.vision.library.predict import (
        BoundingBox,
        Model,
        Prediction,
        evaluate,
        load_model,
        predict,
    )
    from emulator.vision.library.readers import (
        read_coco,
        read_dataset,
        read_folders,
        read_labels,
        read_yolo,
    )
    from emulator.vision.library.reports import Report, TagReport
    from emulator.vision.library.train_export import Trained, TrainingCancelled, export, train
    from emulator.vision.onnx_runtime import ModelUnusable
    from emulator.vision.training.errors import TrainingFailed

__all__ = [
    "BoundingBox",
    "Dataset",
    "ExportFailed",
    "ImageRejected",
    "Model",
    "ModelUnusable",
    "Prediction",
    "Region",
    "Report",
    "Sample",
    "TagReport",
    "Trained",
    "TrainingCancelled",
    "TrainingFailed",
    "evaluate",
    "export",
    "load_model",
    "predict",
    "read_coco",
    "read_dataset",
    "read_folders",
    "read_labels",
    "read_yolo",
    "train",
]

_MODULES = {
    "library.readers": ("read_coco", "read_dataset", "read_folders", "read_labels", "read_yolo"),
    "library.datasets": ("Dataset", "Region", "Sample"),
    "exports.formats": ("ExportFailed",),
    "imaging.decode": ("ImageRejected",),
    "library.train_export": ("Trained", "TrainingCancelled", "export", "train"),
    "library.predict": ("BoundingBox", "Model", "Prediction", "evaluate", "load_model", "predict"),
    "library.reports": ("Report", "TagReport"),
    "onnx_runtime": ("ModelUnusable",),
    "training.errors": ("TrainingFailed",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: the server only needs some of the modules."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
