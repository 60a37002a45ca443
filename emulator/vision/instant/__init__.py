"""Models of the instant trainer: nearest images by statistics of colour and shape. No network, no training."""
