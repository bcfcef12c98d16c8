"""One real training in each framework image that no SDK example covers."""

from __future__ import annotations

import json
import subprocess

import pytest

PYTORCH = "pytorch-inference:2.13.0-cpu-py311"
HUGGING_FACE = "huggingface-pytorch-inference:2.13.0-transformers5.23.0-cpu-py311-ubuntu22.04"
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


def test_pytorch_serves_a_model_without_a_script(make, serving):
    container = make(PYTORCH)
    (container.ml / "model").mkdir(parents=True)
    code = "import sys, torch; m = torch.nn.Linear(2, 1); torch.nn.init.ones_(m.weight); torch.nn.init.zeros_(m.bias)\n"
    container.python(code + "torch.jit.trace(m, torch.zeros(1, 2)).save(sys.argv[1])", str(container.ml / "model" / "model.pt"))
    client = serving(container)
    for content_type, body in (("application/json", "[[1, 2], [3, 4]]"), ("text/csv", "1,2\n3,4\n")):
        answer = client.post("/invocations", content=body, headers={"Content-Type": content_type})
        assert answer.json() == [[3.0], [7.0]], answer.text


def test_pytorch_weights_alone_need_a_script(make, serving):
    container = make(PYTORCH)
    (container.ml / "model").mkdir(parents=True)
    code = "import sys, torch; torch.save(torch.nn.Linear(2, 1).state_dict(), sys.argv[1])"
    container.python(code, str(container.ml / "model" / "model.pth"))
    with pytest.raises(RuntimeError, match=r"model\.pth is no TorchScript model .*define model_fn"):
        serving(container)


TINY = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3}, unk_token="[UNK]"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(sys.argv[1])
config = BertConfig(vocab_size=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=2)
BertForSequenceClassification(config).save_pretrained(sys.argv[1])
"""


def test_hugging_face_serves_a_pipeline_without_a_script(make, serving):
    container = make(HUGGING_FACE)
    (container.ml / "model").mkdir(parents=True)
    container.python(TINY, str(container.ml / "model"))
    client = serving(container)
    answer = client.post("/invocations", json={"inputs": ["good", "bad"], "parameters": {"top_k": 2}})
    assert answer.status_code == 200, answer.text
    first, second = answer.json()
    assert sorted(row["label"] for row in first) == ["LABEL_0", "LABEL_1"]
    assert sum(row["score"] for row in second) == pytest.approx(1.0, abs=1e-5)
