"""Serves a model that was logged in the MLflow format: ``MLmodel`` and what it names, in /opt/ml/model.

Requests are what MLflow's own scoring server takes: JSON with one of ``inputs``, ``instances``, ``dataframe_split`` or
``dataframe_records``, and CSV with a header line. Answers are ``{"predictions": ...}``, or CSV where that is asked for.
"""

import json
import os
import subprocess
import sys

from sagewright_container import content, paths
from sagewright_container.errors import HttpError
from sagewright_container.http import Response
from sagewright_container.serve import Handler

INPUTS = ("dataframe_split", "dataframe_records", "inputs", "instances")


def load(folder):
    """The model as a Python function; its own requirements are installed first where this image lacks them."""
    import mlflow.pyfunc

    install(folder)
    return mlflow.pyfunc.load_model(folder)


def install(folder):
    """pip-install the model's requirements.txt unless all of it is here. A machine without an index tries the model anyway."""
    file = os.path.join(folder, "requirements.txt")
    if not os.path.isfile(file) or not lacking(file):
        return
    sys.stdout.write("installing %s: %s\n" % (file, ", ".join(lacking(file))))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-warn-script-location", "-r", file],
        check=False,
    )
    if done.returncode:
        sys.stderr.write("the model's requirements could not be installed; trying it with what is here\n")


def lacking(file):
    """The lines of a requirements file that this environment does not meet."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    missing = []
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            text = line.partition("#")[0].strip()
            if not text or text.startswith("-"):
                continue
            try:
                wanted = Requirement(text)
                if wanted.marker is not None and not wanted.marker.evaluate():
                    continue
                if wanted.name.lower() == "mlflow" or wanted.specifier.contains(version(wanted.name), prereleases=True):
                    continue  # a model is read by newer releases of MLflow too
            except (InvalidRequirement, PackageNotFoundError):
                pass
            missing.append(text)
    return missing


def decode(body, content_type):
    """What a request asks the model about: a DataFrame, an array, or what else ``inputs`` holds. Raises HttpError 400."""
    import io

    import numpy as np
    import pandas as pd

    media = content.media(content_type)
    if media == content.CSV:
        return pd.read_csv(io.StringIO(body.decode("utf-8") if isinstance(body, bytes) else body))
    if media != content.JSON:
        raise HttpError(415, "a model in the MLflow format takes application/json or text/csv, not %s" % content_type)
    try:
        given = json.loads(body)
    except ValueError as error:
        raise HttpError(400, "the body is not JSON: %s" % error) from None
    found = [name for name in INPUTS if isinstance(given, dict) and name in given]
    if len(found) != 1:
        raise HttpError(400, "the body must have exactly one of %s" % ", ".join(INPUTS))
    value = given[found[0]]
    if found[0] == "dataframe_split":
        return pd.DataFrame(**{name: value[name] for name in ("index", "columns", "data") if name in value})
    if found[0] == "dataframe_records":
        return pd.DataFrame(value)
    if found[0] == "instances" and value and isinstance(value[0], dict):
        return pd.DataFrame(value)
    if isinstance(value, dict):
        return {name: np.asarray(column) for name, column in value.items()}
    return np.asarray(value) if isinstance(value, list) else value


def encode(prediction, accept):
    """(body, content type)."""
    import numpy as np
    import pandas as pd

    table = isinstance(prediction, (pd.DataFrame, pd.Series))
    if content.media(accept) == content.CSV:
        frame = prediction if table else pd.DataFrame(np.asarray(prediction))
        return frame.to_csv(index=False, header=False).encode(), content.CSV
    if isinstance(prediction, pd.DataFrame):
        plain = json.loads(prediction.to_json(orient="records"))
    elif hasattr(prediction, "tolist"):
        plain = prediction.tolist()
    else:
        plain = prediction
    return json.dumps({"predictions": plain}).encode(), content.JSON


class Logged(Handler):
    """The model itself, without a script."""

    def load(self):
        self.model = load(paths.model())

    def invoke(self, request):
        data = decode(request.body, request.content_type or content.JSON)
        body, kind = encode(self.model.predict(data), request.headers.get("accept", ""))
        return Response(body, kind)


DEFAULTS = {
    "model_fn": load,
    "input_fn": decode,
    "predict_fn": lambda data, model: model.predict(data),
    "output_fn": encode,
}
"""For a script that changes only some of it."""
