"""One real training in each framework image that no SDK example covers."""

from __future__ import annotations

import json
import subprocess

import pytest

TENSORFLOW, LIGHTGBM = "tensorflow-training:2.19.0-cpu-py312", "lightgbm:4.7-1"
KERAS = """
import json, os
import numpy as np, tensorflow as tf
rng = np.random.default_rng(0)
x = rng.normal(size=(512, 3)).astype("float32")
y = x @ np.array([[1.0], [-2.0], [0.5]], dtype="float32")
model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(1)])
model.compile(tf.keras.optimizers.SGD(0.1), "mse")
loss = model.fit(x, y, batch_size=64, epochs=10, verbose=0).history["loss"][-1]
weights = [round(float(v), 3) for v in model.get_weights()[0].flatten()]
print("RESULT", json.dumps({"loss": float(loss), "weights": weights, "version": tf.__version__}))
model.save(os.path.join(os.environ["SM_MODEL_DIR"], "model.keras"))
"""
BOOSTED = """
import json, os, lightgbm, numpy as np
rng = np.random.default_rng(0)
x = rng.normal(size=(2000, 5)); y = (x[:, 0] + x[:, 1] ** 2 > 0.5).astype(int)
model = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, lightgbm.Dataset(x[:1500], y[:1500]), 50)
accuracy = float(((model.predict(x[1500:]) > 0.5) == y[1500:]).mean())
model.save_model(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"))
print("RESULT", json.dumps({"accuracy": accuracy, "version": lightgbm.__version__}))
"""
SERVED = """
import lightgbm, os
def model_fn(folder): return lightgbm.Booster(model_file=os.path.join(folder, "model.txt"))
"""


def result(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))[7:])  # type: ignore[no-any-return]


def script(container, text: str):
    container.put("code/train.py", text)
    (container.ml / "model").mkdir(exist_ok=True)
    container.configure({"sagemaker_program": '"train.py"'})
    return container.train()


def test_keras(make):
    container = make(TENSORFLOW)
    found = result(script(container, KERAS))
    assert found["version"] == "2.19.0"
    assert found["weights"] == pytest.approx([1, -2, 0.5], abs=0.02)
    assert (container.ml / "model" / "model.keras").stat().st_size > 1000


def test_lightgbm_trains_and_serves(make, serving):
    container = make(LIGHTGBM)
    found = result(script(container, BOOSTED))
    assert found["version"] == "4.7.0"
    assert found["accuracy"] > 0.9
    container.put("model/code/inference.py", SERVED)
    answer = serving(container).post("/invocations", content="3,0,0,0,0\n-3,0,0,0,0\n", headers={"Content-Type": "text/csv"})
    high, low = answer.json()
    assert high > 0.8 > 0.2 > low
