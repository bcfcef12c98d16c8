"""The capabilities, one folder each. Deleting a folder and its row here removes the capability, and nothing else."""

SLICES = (
    "identity",
    "object_storage",
    "logs",
    "metrics",
    "tags",
    "ecr",
    "algorithms",
    "training",
    "processing",
    "sqs",
    "sns",
    "hosting",
    "async_inference",
    "transform",
    "experiments",
    "lineage",
    "search",
    "tuning",
    "registry",
    "mlflow",
    "autoscaling",
    "compilation",
    "edge",
    "recommender",
)
"""Installed in this order; identity first, because every call is authorised."""
