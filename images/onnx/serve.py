"""Serves: an ONNX model as it is, or the user's inference script."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from onnx_image.serving import Onnx

from sagewright_container import handlers

sys.exit(handlers.main(builtin=Onnx))
