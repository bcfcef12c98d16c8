"""ONNX models behind the container contract."""
