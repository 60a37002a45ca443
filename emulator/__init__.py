"""A local emulator of Azure Custom Vision: the Training and Prediction REST APIs, with real training."""

__version__ = "0.1.0"
