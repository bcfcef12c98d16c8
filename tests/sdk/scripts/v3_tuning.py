"""SDK v3 tuning as a user writes it: a ModelTrainer's script under a HyperparameterTuner."""

import json
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.parameter import ContinuousParameter
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, OutputDataConfig, SourceCode
from sagemaker.train.tuner import HyperparameterTuner

HERE = Path(__file__).parent
session = Session()
trainer = ModelTrainer(
    training_image=f"683313688378.dkr.ecr.{session.boto_region_name}.amazonaws.com/sagemaker-base-python:3.11",
    source_code=SourceCode(source_dir=str(HERE / "src"), entry_script="bowl.py"), base_job_name="v3tune", role=get_execution_role(),
    compute=Compute(instance_type="ml.m5.large", instance_count=1), hyperparameters={"batch": 32},
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{session.default_bucket()}/v3tuning"),
)
tuner = HyperparameterTuner(
    trainer, "loss", {"shift": ContinuousParameter(0.0, 1.0)}, [{"Name": "loss", "Regex": r"loss=(\S+);"}], objective_type="Minimize",
    max_jobs=6, max_parallel_jobs=2,
)
tuner.tune()
job = tuner.describe() or tuner.latest_tuning_job
print("\nRESULT " + json.dumps({
    "status": job.hyper_parameter_tuning_job_status, "best": tuner.best_training_job(),
    "trials": len(tuner.analytics().dataframe()), "completed": job.training_job_status_counters.completed,
    "value": job.best_training_job.final_hyper_parameter_tuning_job_objective_metric.value,
}))
