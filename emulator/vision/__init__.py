"""Images and labels in, models and numbers out.

A library of its own: it knows no HTTP, no database and no other package of the emulator. Its functions are
`train`, `predict`, `evaluate` and `export`, on folders or pictures in memory (`docs/library.md`); the rest of
the emulator calls the modules below them. Importing any module is cheap; NumPy, Pillow, ONNX Runtime and
PyTorch are imported by the functions that need them.

The modules, by who calls them:

* programs: what this package offers by name, made in `library` (train, export), `predicting` (predict,
  evaluate), `datasets` and `dataset_readers` (labelled pictures) and `reports` (how good a model is);
* everybody: `images` (decode, check and scale a picture), `domains` and `recipes` (what a domain trains),
  `model_files` (load a model, trained or exported);
* the server: `scoring` and `detection_scoring` (run a trained model), `exported_model` (run an exported one;
  below it the modules whose names begin so), `metrics` and `detection_metrics` (performance figures of a
  training; below them `curves`), `confusion` (what is taken for what), `memory` (which goes back to the
  system);
* the worker process: `classifier`, `detector`, `advanced` and `advanced_detection` (train), the package
  `exports` (writes trained models as the files that users take away), and `near_duplicates` (finds pictures
  that are nearly the same; below it `aligning`). Below the first five lie `networks`,
  `network_descriptions`, `onnx_writer`, `folds`, `training` and, for those that train whole networks,
  `torch_network` and `picture_file`; below the first `base_weights`, `features`, `feature_cache`,
  `cross_validation` and `head`; below the second `nanodet`, `detection_training`, `detection_views`,
  `detection_loss`, `detection_boxes` and `detection_calibration`; below the third `advanced_search`,
  `advanced_finetuning`, `advanced_candidates`, `finetuning`, `ensembles`, `base_models`,
  `registered_backbones` and `budget`; below the last `detection_finetuning`;
* the command line: `backbone_adding` (keep a network that the user brings), below it `weights_files`,
  `torchvision_networks`, `_torchvision` and `network_conversion`; `bundled_networks` and
  `registered_backbones` (what there is).
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
    """What the package offers is imported when it is first asked for: the server wants its modules alone."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
