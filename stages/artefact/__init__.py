"""From the network to one ONNX file, proven equal."""
