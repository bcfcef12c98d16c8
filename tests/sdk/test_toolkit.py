"""AWS's own training toolkit in a job: it works there, and ours tells scripts the same."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

IMAGE = Path(__file__).parent / "toolkit_image"
THEIRS, OURS = "toolkit:5", "sagemaker-scikit-learn:1.2-1"
pytestmark = [pytest.mark.xdist_group("frameworks"), pytest.mark.timeout(600)]
DUMP = """
import json, os, sys
print("SEEN " + json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "env": {k: v for k, v in os.environ.items() if k.startswith("SM_")}}))
if os.environ.get("SM_HP_FAIL"):
    raise ValueError("asked to fail")
open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write("fine")
"""
PARAMETERS = {
    "sagemaker_program": '"train.py"', "sagemaker_container_log_level": "20", "sagemaker_region": '"us-east-1"',
    "sagemaker_job_name": '"the-job"', "epochs": "3", "k": "2", "rate": "0.5", "name": '"two words"', "plain": "no json",
    "flag": "true", "none": "null", "list": '["a", 1]', "map": '{"b": 2, "a": 1}', "batch-size": "7",
    "sagemaker_custom": '"kept"', "_tuning_objective_metric": '"loss"',
}


def archive(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


@pytest.fixture(scope="module")
def train(server: TestServer) -> Any:
    """``train(image, more parameters)``: the ended job, and what its script saw."""
    (server.data / "images.toml").write_text(f'[images]\n"toolkit" = "{IMAGE}"\n')
    jobs = Jobs(server, "toolkit-tests")
    source = jobs.put("source/sourcedir.tar.gz", archive({"train.py": DUMP}))
    data = jobs.put("train/a.csv", "1,2\n").removesuffix("a.csv")

    def run(image: str, files: dict[str, str] | None = None, **more: str) -> tuple[dict[str, Any], dict[str, Any]]:
        given = {**PARAMETERS, "sagemaker_submit_directory": json.dumps(source), **more}
        if files:
            given["sagemaker_submit_directory"] = json.dumps(jobs.put(f"source/{len(files)}/sourcedir.tar.gz", archive(files)))
        job = jobs.ended(jobs.train(image=image, data=data, HyperParameters=given), 500)
        said = jobs.log(job["TrainingJobName"])
        seen = next((line for line in said.splitlines() if "SEEN {" in line), "")
        assert seen, f"{job.get('FailureReason')}\n{said}"
        return job, json.loads(seen.split("SEEN ", 1)[1])

    return run


@pytest.fixture(scope="module")
def both(train: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    (theirs, seen), (ours, own) = train(THEIRS), train(OURS)
    assert theirs["TrainingJobStatus"] == ours["TrainingJobStatus"] == "Completed"
    return seen, own


def test_scripts_get_the_same_arguments(both: Any) -> None:
    theirs, ours = both
    assert ours["argv"] == theirs["argv"]
    assert ours["cwd"] == theirs["cwd"] == "/opt/ml/code"


def test_scripts_get_the_same_variables(both: Any) -> None:
    theirs, ours = both[0]["env"], both[1]["env"]
    own = {"SM_FRAMEWORK_MODULE", "SM_TRAINING_ENV"}  # says which toolkit it is; compared member by member below
    assert {k: ours.get(k) for k in theirs if k not in own} == {k: v for k, v in theirs.items() if k not in own}
    assert set(ours) - set(theirs) == {"SM_HP_BATCH_SIZE"}, "the spelling that shells can read comes on top"


def test_scripts_get_the_same_training_environment(both: Any) -> None:
    theirs, ours = (json.loads(seen["env"]["SM_TRAINING_ENV"]) for seen in both)
    for one in (theirs, ours):
        assert one.pop("job_name").startswith("job-")
        del one["framework_module"]
    assert ours == theirs


def test_failures_read_the_same(train: Any) -> None:
    (theirs, _), (ours, _) = train(THEIRS, fail="1"), train(OURS, fail="1")

    def reason(job: dict[str, Any]) -> str:
        text = re.sub(r"\S*/bin/python\S*( --)?", "python", job["FailureReason"])
        return re.sub(r"\s+", " ", text)

    assert theirs["TrainingJobStatus"] == ours["TrainingJobStatus"] == "Failed"
    assert reason(ours).startswith('AlgorithmError: ExecuteUserScriptError: ExitCode 1 ErrorMessage "')
    assert "ValueError: asked to fail" in reason(ours)
    assert reason(theirs).startswith('AlgorithmError: ExecuteUserScriptError: ExitCode 1 ErrorMessage "')
    assert reason(ours).split("Command ")[1] == reason(theirs).split("Command ")[1]


SHELL = """python3 - "$@" <<'EOF'
import json, sys
print("SEEN " + json.dumps({"argv": sys.argv[1:]}))
EOF
"""
PACKAGE = {
    "setup.py": "from setuptools import setup\nsetup(name='work', version='1', py_modules=['work', 'helper'])\n",
    "work.py": DUMP.replace("import json", "import helper, json", 1), "helper.py": "",
}


@pytest.mark.parametrize(("program", "files"), [("run.sh", {"run.sh": SHELL, "requirements.txt": "./no-such-thing"}), ("work.py", PACKAGE)])
def test_shell_programs_and_packages_run_the_same(train: Any, program: str, files: dict[str, str]) -> None:
    (theirs, seen), (ours, own) = (train(image, files, sagemaker_program=json.dumps(program)) for image in (THEIRS, OURS))
    assert theirs["TrainingJobStatus"] == ours["TrainingJobStatus"] == "Completed"
    assert own["argv"] == seen["argv"]
    assert own["argv"][:2] == ["--batch-size", "7"]
