"""One REST call each, without patience; says what came of it."""

import json
import os
import sys

os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
import mlflow
from mlflow.exceptions import MlflowException

client = mlflow.MlflowClient()
CALLS = {
    "search": lambda: len(client.search_experiments()),
    "create": lambda: client.create_experiment(sys.argv[2]),
    "run": lambda: client.create_run("0").info.run_id,
}
try:
    said = {"answer": CALLS[sys.argv[1]]()}
except MlflowException as error:
    said = {"error": error.error_code, "message": str(error)}
print("RESULT " + json.dumps(said))
