"""Images and labels in, models and numbers out.

A library of its own: it knows no HTTP, no database and no other package of the emulator. Importing any of its
modules is cheap; NumPy, Pillow, ONNX Runtime and PyTorch are imported by the functions that need them.

The modules, by who calls them:

* everybody: `images` (decode, check and scale a picture), `recipes` (what a domain trains);
* the server: `scoring` and `detection_scoring` (run a trained model), `exported_model` (run an exported one;
  below it the modules whose names begin so), `metrics` and `detection_metrics` (performance figures of a
  training);
* the worker process: `classifier`, `detector`, `advanced` and `advanced_detection` (train), and the package
  `exports` (writes trained models as the files that users take away). Below them lie `networks`,
  `network_descriptions`, `onnx_writer`, `folds`, `training` and, for those that train whole networks,
  `torch_network`; below the first `base_weights`, `features`, `feature_cache`, `cross_validation` and `head`;
  below the second `nanodet`, `detection_training`, `detection_views`, `detection_loss`, `detection_boxes` and
  `detection_calibration`; below the third `advanced_search`, `advanced_finetuning`, `advanced_candidates`,
  `finetuning`, `ensembles`, `base_models`, `registered_backbones` and `budget`; below the last
  `detection_finetuning`;
* the command line: `backbone_adding` (keep a network that the user brings), below it `weights_files`,
  `torchvision_networks`, `_torchvision` and `network_conversion`; `bundled_networks` and
  `registered_backbones` (what there is).
"""
