"""Training and serving by the user's own script, with the frameworks' variables, arguments and failure texts."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

SKLEARN, PYTHON = "sagemaker-scikit-learn:1.2-1-cpu-py3", "python:3.11"
TRAIN = """
import argparse, json, os, sys
import joblib, sklearn
from sklearn.linear_model import LinearRegression
parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float)
parser.add_argument("--name")
parser.add_argument("-k", type=int)
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
args = parser.parse_args()
model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))
print(json.dumps({"version": sklearn.__version__, "argv": sys.argv, "cwd": os.getcwd(), "name": __name__,
                  "env": {k: v for k, v in os.environ.items() if k.startswith("SM_")}}))
"""
INFERENCE = """
import joblib, os
def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""


def archive(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def script(container, text: str, hyperparameters: dict[str, str] | None = None, name: str = "train.py", **files: str):
    (container.ml / "model").mkdir(parents=True, exist_ok=True)
    path = container.put("sourcedir.tar.gz", archive(**{name: text}, **files))
    given = {"sagemaker_program": json.dumps(name), "sagemaker_submit_directory": json.dumps(str(path))}
    container.configure({**given, **(hyperparameters or {})}, {"train": "text/csv", "my-data": None})
    return container.train()


def test_script_sees_variables_and_arguments(make):
    container = make(SKLEARN)
    done = script(container, TRAIN, {"alpha": "0.5", "name": '"a b"', "k": "3", "sagemaker_region": '"eu-west-1"'})
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    env, ml = seen["env"], str(container.ml)
    assert (container.ml / "output" / "success").exists()
    assert seen["version"].startswith("1.2.")
    assert seen["argv"] == ["train.py", "--alpha", "0.5", "-k", "3", "--name", "a b"]
    assert (seen["cwd"], seen["name"]) == (f"{ml}/code", "__main__")
    assert env["SM_MODEL_DIR"] == f"{ml}/model"
    assert env["SM_CHANNEL_TRAIN"] == f"{ml}/input/data/train"
    assert env["SM_CHANNEL_MY_DATA"] == f"{ml}/input/data/my-data"
    assert env["SM_CHANNELS"] == '["my-data","train"]'
    assert (env["SM_HP_ALPHA"], env["SM_HP_NAME"], env["SM_HP_K"]) == ("0.5", "a b", "3")
    assert json.loads(env["SM_HPS"]) == {"alpha": 0.5, "k": 3, "name": "a b"}
    assert (env["SM_CURRENT_HOST"], env["SM_HOSTS"], env["SM_NETWORK_INTERFACE_NAME"]) == ("algo-1", '["algo-1"]', "eth0")
    assert (env["SM_USER_ENTRY_POINT"], env["SM_MODULE_NAME"], env["SM_LOG_LEVEL"]) == ("train.py", "train", "20")
    assert json.loads(env["SM_USER_ARGS"]) == seen["argv"][1:]
    assert json.loads(env["SM_TRAINING_ENV"])["hyperparameters"]["alpha"] == 0.5
    assert env["SM_OUTPUT_DATA_DIR"] == f"{ml}/output/data"


def test_a_hyperparameter_that_no_variable_can_be_called_after_is_an_argument(make):
    done = script(make(PYTHON), "import json, os, sys\nprint(json.dumps([sys.argv, os.environ['SM_HPS']]))", {"a=b": "1"})
    assert done.returncode == 0, done.stderr
    arguments, given = json.loads(done.stdout.splitlines()[-1])
    assert arguments[1:] == ["--a=b", "1"]
    assert json.loads(given) == {"a=b": 1}


def test_scikit_learn_serves(make, serving):
    container = make(SKLEARN)
    assert script(container, TRAIN).returncode == 0
    container.put("model/code/inference.py", INFERENCE)
    client = serving(container)
    for content_type, body in (("text/csv", "3\n4\n"), ("application/json", "[[3], [4]]")):
        answer = client.post("/invocations", content=body, headers={"Content-Type": content_type})
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == pytest.approx([6.0, 8.0])
    numpy = client.post("/invocations", content="[[3]]", headers={"Content-Type": "application/json", "Accept": "application/x-npy"})
    assert numpy.content.startswith(b"\x93NUMPY")
    assert client.post("/invocations", content="x", headers={"Content-Type": "image/png"}).status_code == 415
    broken = client.post("/invocations", content="[[1, 2]]", headers={"Content-Type": "application/json"})
    assert broken.status_code == 500
    assert "ValueError: X has 2 features" in broken.text


COUNTING = """
import os
from sklearn.linear_model import LinearRegression

class Counting(LinearRegression):
    def predict(self, rows):
        with open(os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "rows"), "a") as file:
            file.write(f"{len(rows)}\\n")
        return super().predict(rows)

def model_fn(model_dir):
    return Counting().fit([[0.0], [1.0]], [0.0, 2.0])
"""


@pytest.mark.parametrize("own", ["", "def predict_fn(data, model): return model.predict(data)"])
def test_requests_that_come_together_share_a_prediction_of_scikit_learn(make, serving, together, own):
    """Unless the prediction is the user's own function, which may look at its rows together."""
    container = make(SKLEARN)
    container.put("model/code/inference.py", COUNTING + own)
    client = serving(container)
    bodies = ["[[1]]", "[[2], [3]]", "[[1, 2]]", "nothing", "[4]", *(f"[[{n}]]" for n in range(20))]
    alone = [client.post("/invocations", content=body, headers={"Content-Type": "application/json"}) for body in bodies]
    (container.ml / "rows").unlink()
    for body, one, other in zip(bodies, alone, together("application/json", bodies), strict=True):
        assert (one.status_code, one.content) == (other.status, other.body), body
    most = max(int(line) for line in (container.ml / "rows").read_text().split())
    assert most == 2 if own else most > 2
    assert {one.status_code for one in alone} == {200, 400, 500}


def test_without_model_fn_the_server_says_so(make, serving):
    container = make(SKLEARN)
    (container.ml / "model").mkdir(parents=True)
    container.put("model/code/inference.py", "")
    with pytest.raises(RuntimeError, match="defines no model_fn"):
        serving(container)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("raise ValueError('bad thing')", 1, 'ErrorMessage "ValueError: bad thing"'),
        ("import sys; sys.exit(7)", 7, 'ErrorMessage ""'),
        ("import sys; sys.exit('told')", 1, 'ErrorMessage "told"'),
        ("import nothing_like_it", 1, "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("def f(:", 1, "SyntaxError"),
    ],
)
def test_failure_text(make, text, code, words):
    container = make(PYTHON)
    done = script(container, text, {"epochs": "2"})
    assert done.returncode == code
    assert container.failure.startswith(f"ExecuteUserScriptError:\nExitCode {code}\n")
    assert words in container.failure
    assert f'Command "{container.image.python} train.py --epochs 2"' in container.failure
    assert len(container.failure) <= 1024


def test_shell_and_package_entries(make):
    container = make(PYTHON)
    done = script(container, 'echo "got $1 $2"; exit 3', {"a_b": "x y"}, name="run.sh")
    assert done.returncode == 3
    assert "got --a_b x y" in done.stdout
    assert 'Command "/bin/sh -c ./run.sh --a_b \'x y\'"' in container.failure


def test_requirements_that_cannot_be_installed(make):
    container = make(PYTHON)
    done = script(container, "", **{"requirements.txt": "./not-there\n"})
    assert done.returncode == 1
    assert container.failure.startswith("InstallRequirementsError:\nExitCode 1\n")
    assert "not-there" in container.failure


def test_code_channel(make):
    container = make(PYTHON)
    container.put("input/data/code/go.py", "import helper")
    container.put("input/data/code/helper.py", "print('from the channel')")
    container.configure({"sagemaker_program": "go.py"}, {"code": None})
    done = container.train()
    assert "from the channel" in done.stdout, done.stderr


def test_plain_image_without_a_program(make):
    container = make(PYTHON)
    container.configure({})
    assert container.train().returncode == 1
    assert "the job names no program" in container.failure


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (("../../out", tarfile.REGTYPE, ""), "lies outside"),
        (("/abs", tarfile.REGTYPE, ""), "lies outside"),
        (("link", tarfile.SYMTYPE, "/etc"), "points outside"),
        (("hard", tarfile.LNKTYPE, "../../etc/passwd"), "points outside"),
        (("dev", tarfile.CHRTYPE, ""), "neither file"),
    ],
)
def test_archives_stay_inside(tmp_path, member, words):
    from sagewright_container.errors import CustomerError
    from sagewright_container.sources import unpack

    name, kind, link = member
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(info)
    with pytest.raises(CustomerError, match=words):
        unpack(str(tmp_path / "a.tar"), str(tmp_path / "deep" / "target"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "deep"]


TRANSFORM = """
def model_fn(model_dir): return 2
def transform_fn(model, data, content_type, accept):
    if data == "stream":
        return (str(n).encode() for n in range(3)), "text/plain"
    if data == "teapot":
        error = ValueError("no tea"); error.status_code = 418; raise error
    return "%s|%s|%s" % (data * model, content_type, accept), "text/x-own"
"""


def test_transform_fn_streams_and_own_statuses(make, serving):
    container = make(PYTHON)
    container.put("model/code/inference.py", TRANSFORM)
    client = serving(container)
    plain = {"Content-Type": "text/plain", "Accept": "text/csv"}
    answer = client.post("/invocations", content="ab", headers=plain)
    assert (answer.text, answer.headers["content-type"]) == ("abab|text/plain|text/csv", "text/x-own")
    streamed = client.post("/invocations", content="stream", headers=plain)
    assert (streamed.text, streamed.headers["transfer-encoding"]) == ("012", "chunked")
    assert client.post("/invocations", content="teapot", headers=plain).status_code == 418
    chunked = client.post("/invocations", content=iter([b"a", b"b"]), headers=plain)
    assert chunked.text.startswith("abab|")
    assert client.get("/invocations").status_code == 405
    assert client.get("/nothing").status_code == 404
