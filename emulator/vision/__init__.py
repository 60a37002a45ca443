"""Images and labels in, models and numbers out.

A library of its own: it knows no HTTP, no database and no other package of the emulator. Importing any of its
modules is cheap; NumPy, Pillow, ONNX Runtime and PyTorch are imported by the functions that need them.

The modules, by who calls them:

* everybody: `images` (decode, check and scale a picture), `recipes` (what a domain trains);
* the server: `scoring` (run a trained model), `metrics` (performance figures of a training);
* the worker process: `classifier` (train), and below it `networks`, `onnx_writer`, `base_weights`,
  `features`, `feature_cache`, `folds`, `head`.
"""
