"""Networks as lists of operations: construction, weights, PyTorch and ONNX forms."""
