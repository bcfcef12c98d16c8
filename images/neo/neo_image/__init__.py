"""From a framework's model archive to an ONNX model that is proven to predict the same."""
