"""Serves: MLflow's tracking server where a store is named, else the model in /opt/ml/model."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

if os.environ.get("SAGEWRIGHT_MLFLOW_STORE"):
    from mlflow_image import tracking

    sys.exit(tracking.main())

from mlflow_image import model

from sagewright_container import handlers

sys.exit(handlers.main(model.DEFAULTS, model.Logged))
