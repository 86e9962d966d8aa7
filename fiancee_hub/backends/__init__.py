"""Ways to run a model: eager PyTorch, and ONNX graphs in ONNX Runtime or OpenVINO."""
