"""Serves: the user's inference script."""

import sys
from typing import Any

from sagewright_container import handlers

MOST = 1000


def joins(model: Any) -> int:
    """Estimators and pipelines of scikit-learn predict each row for itself."""
    from sklearn.base import BaseEstimator

    return MOST if isinstance(model, BaseEstimator) else 1


sys.exit(handlers.main(joins=joins))
