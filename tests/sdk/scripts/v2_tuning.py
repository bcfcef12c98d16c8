"""SDK v2 tuning as a user writes it: a tuner, its analytics, a warm start, early stopping, Hyperband."""

import json
from pathlib import Path

import sagemaker
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.tuner import (
    CategoricalParameter,
    ContinuousParameter,
    HyperbandStrategyConfig,
    HyperparameterTuner,
    IntegerParameter,
    StrategyConfig,
)

HERE = Path(__file__).parent
session = sagemaker.Session()
role = sagemaker.get_execution_role()
estimator = SKLearn(
    entry_point="bowl.py", source_dir=str(HERE / "src"), role=role, framework_version="1.2-1", instance_type="ml.m5.large",
    output_path=f"s3://{session.default_bucket()}/tuning", hyperparameters={"batch": 32},
)
metrics = [{"Name": "loss", "Regex": r"loss=(\S+);"}]
ranges = {
    "shift": ContinuousParameter(0.0, 1.0), "n": IntegerParameter(1, 9), "kind": CategoricalParameter(["plain", "other"]),
}
tuner = HyperparameterTuner(
    estimator, "loss", ranges, metrics, objective_type="Minimize", max_jobs=12, max_parallel_jobs=3, base_tuning_job_name="bowl",
    random_seed=3, early_stopping_type="Auto",
)
tuner.fit(wait=True)
frame = tuner.analytics().dataframe()
best = tuner.best_estimator()
curve = sagemaker.analytics.TrainingJobAnalytics(tuner.best_training_job(), ["loss"]).dataframe()

attached = HyperparameterTuner.attach(tuner.latest_tuning_job.name)
warm = tuner.identical_dataset_and_algorithm_tuner()
warm.max_jobs, warm.max_parallel_jobs = 2, 1
warm.metric_definitions = metrics  # the SDK does not carry them over
warm.fit(wait=True)

band = HyperparameterTuner(
    estimator, "loss", {"shift": ContinuousParameter(0.0, 1.0)}, metrics, objective_type="Minimize", max_jobs=4, max_parallel_jobs=2,
    base_tuning_job_name="band", strategy="Hyperband", strategy_config=StrategyConfig(HyperbandStrategyConfig(max_resource=3, min_resource=1)),
)
band.fit(wait=True)

several = HyperparameterTuner.create(
    {"one": estimator, "two": estimator}, {"one": "loss", "two": "loss"},
    {"one": {"shift": ContinuousParameter(0.0, 1.0)}, "two": {"shift": ContinuousParameter(0.5, 1.0)}},
    {"one": metrics, "two": metrics}, objective_type="Minimize", max_jobs=4, max_parallel_jobs=2, strategy="Random",
    base_tuning_job_name="several",
)
several.fit(include_cls_metadata={"one": False, "two": False}, wait=True)

print("\nRESULT " + json.dumps({
    "status": tuner.describe()["HyperParameterTuningJobStatus"],
    "trials": len(frame), "statuses": sorted(set(frame["TrainingJobStatus"])),
    "best": float(frame["FinalObjectiveValue"].min()), "best_job": tuner.best_training_job(),
    "frame_best": frame.sort_values("FinalObjectiveValue")["TrainingJobName"].iloc[0],
    "attached": [attached.estimator.instance_type, attached.estimator.volume_size, sorted(attached.hyperparameter_ranges())],
    "hyperparameters": best.hyperparameters(), "curve": len(curve),
    "warm": warm.describe()["WarmStartConfig"]["WarmStartType"], "overall": "OverallBestTrainingJob" in warm.describe(),
    "band": band.describe()["HyperParameterTuningJobStatus"],
    "several": sorted(set(several.analytics().dataframe()["TrainingJobDefinitionName"])),
}, default=str))
