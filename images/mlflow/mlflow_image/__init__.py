"""What the mlflow image runs: the tracking server, and models in the MLflow format."""
