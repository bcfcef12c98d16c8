"""A tuning job whose server, or whose sampler, is killed in the middle."""

from __future__ import annotations

import time

import psutil
import pytest

from sagewright.testing.processes import kill, living
from sagewright.testing.tuning import BOWL, Tunings
from sagewright.testing.waiting import until

from .conftest import Chaos

TRIALS = 50
SLOWLY = "import time\ntime.sleep(0.1)\n" + BOWL


def launched(tunings: Tunings, name: str) -> int:
    return sum(tunings.describe(name)["TrainingJobStatusCounters"].values())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_no_trial_is_lost_or_doubled(chaos: Chaos, strategy: str) -> None:
    tunings = Tunings(chaos.jobs)
    name = tunings.create(tunings.config(strategy, trials=TRIALS, parallel=4), tunings.definition(SLOWLY))
    for count in (3, 17, 34, 48):
        until(lambda: launched(tunings, name) >= count, seconds=200)  # noqa: B023
        chaos.restart()
    job = tunings.ended(name, 300)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TrainingJobStatusCounters"]["Completed"] == TRIALS
    trials = tunings.trials(name)
    assert sorted(int(t["TrainingJobName"].rsplit("-", 2)[1]) for t in trials) == list(range(1, TRIALS + 1))
    pages = tunings.sagemaker.get_paginator("list_training_jobs").paginate(NameContains=name, PaginationConfig={"PageSize": 100})
    jobs = [j["TrainingJobName"] for page in pages for j in page["TrainingJobSummaries"]]
    assert sorted(jobs) == sorted(t["TrainingJobName"] for t in trials), "each trial is one training job, and no other"
    lines = [line for n in jobs for line in chaos.jobs.log(n).splitlines() if line.startswith("loss=")]
    assert len(lines) == TRIALS, "each ran once"
    values = {t["TrainingJobName"]: t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for t in trials}
    assert sorted(values.values()) == pytest.approx(sorted(float(line[5:-1]) for line in lines))
    assert job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == min(values.values())
    chaos.settled()


def test_stop_is_remembered(chaos: Chaos) -> None:
    """Asked for just before the server dies: the next one stops the trials, and creates none."""
    tunings = Tunings(chaos.jobs)
    name = tunings.create(tunings.config(trials=9, parallel=2), tunings.definition("import time\nprint('loss=1;', flush=True)\ntime.sleep(300)"))
    until(lambda: launched(tunings, name) == 2)
    tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    chaos.restart()
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert len(tunings.trials(name)) == 2
    assert {t["TrainingJobStatus"] for t in tunings.trials(name)} == {"Stopped"}
    chaos.settled()


def test_a_killed_sampler_is_replaced(chaos: Chaos) -> None:
    tunings = Tunings(chaos.jobs)
    code = "import time\ntime.sleep(0.3)\n" + BOWL
    name = tunings.create(tunings.config("Bayesian", trials=16, parallel=2), tunings.definition(code))

    def samplers() -> list[psutil.Process]:
        return living(lambda p: "serve.py" in " ".join(p.cmdline()), chaos.inside())

    until(lambda: launched(tunings, name) > 7, seconds=60)
    until(lambda: bool(samplers()), seconds=60)
    kill(samplers())
    began = time.monotonic()
    job = tunings.ended(name, 120)
    assert job["HyperParameterTuningJobStatus"] == "Completed", (job.get("FailureReason"), time.monotonic() - began)
    assert job["TrainingJobStatusCounters"]["Completed"] == 16
    chaos.settled()
