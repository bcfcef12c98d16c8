"""The agent on a device. Standard library, NumPy and ONNX Runtime; nothing of the server."""

__version__ = "0.1.0"
