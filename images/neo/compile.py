"""Compiles one model into ONNX: /opt/ml/config/compilation.json says which and how."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from neo_image import refusal
from neo_image.compilation import compile_model

sys.exit(refusal.guarded(compile_model))
