"""Models of the instant trainer: nearest images by color and shape, without a network."""
