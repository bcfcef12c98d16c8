"""Packages one compiled model for devices: /opt/ml/config/packaging.json says under which name."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from neo_image import refusal
from neo_image.packaging import package_model

sys.exit(refusal.guarded(package_model))
