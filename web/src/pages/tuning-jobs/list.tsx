import { DeleteHyperParameterTuningJobCommand, StopHyperParameterTuningJobCommand, type HyperParameterTuningJobSummary } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import { columnsOf, DeleteEach, JobTable, type Kind, StopEach } from "../../kit/job-list";
import { list } from "./api";

const TEACH = `import boto3

boto3.client("sagemaker").create_hyper_parameter_tuning_job(
    HyperParameterTuningJobName="search",
    HyperParameterTuningJobConfig={
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:rmse"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.05", "MaxValue": "0.5"}]},
    },
    TrainingJobDefinition=training,  # as a training job, without its name
)`;

const KIND: Kind<HyperParameterTuningJobSummary> = {
  noun: "tuning job",
  path: "/tuning-jobs",
  about: (j) => ({ name: j.HyperParameterTuningJobName!, status: j.HyperParameterTuningJobStatus, created: j.CreationTime, ended: j.HyperParameterTuningEndTime, arn: j.HyperParameterTuningJobArn }),
};
const { name, status, created, took } = columnsOf(KIND, 320);

export default function TuningJobs() {
  return (
    <JobTable<HyperParameterTuningJobSummary>
      kind={KIND}
      kinds={["HyperParameterTuningJob"]}
      title="Tuning jobs"
      description="Each looks for the hyperparameters that make the best model."
      list={list}
      columns={[
        name,
        status,
        { id: "strategy", header: "Strategy", width: 130, cell: (j) => j.Strategy },
        { id: "trials", header: "Trials", width: 150, cell: (j) => <Trials of={j} /> },
        created,
        took,
      ]}
      actions={(chosen, done) => (
        <>
          <StopEach kind={KIND} chosen={chosen} run={(HyperParameterTuningJobName) => sagemaker().send(new StopHyperParameterTuningJobCommand({ HyperParameterTuningJobName }))} said="Stopping: the best trial so far is kept." done={done}>
            No further trial starts, and those that run are told to end.
          </StopEach>
          <DeleteEach kind={KIND} chosen={chosen} run={(HyperParameterTuningJobName) => sagemaker().send(new DeleteHyperParameterTuningJobCommand({ HyperParameterTuningJobName }))} said="Deleted." done={done}>
            What it knows of its trials goes and cannot be brought back; their training jobs and models stay.
          </DeleteEach>
        </>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListHyperParameterTuningJobs", input }] })}
      teach={{ text: "A tuning job starts training jobs with different hyperparameters, learns from how they end, and names the best.", code: TEACH }}
    />
  );
}

function Trials({ of }: { of: HyperParameterTuningJobSummary }) {
  const c = of.TrainingJobStatusCounters;
  const failed = (c?.NonRetryableError ?? 0) + (c?.RetryableError ?? 0);
  return <>{c?.Completed ?? 0} of {of.ResourceLimits?.MaxNumberOfTrainingJobs ?? "–"}{failed ? `, ${failed} failed` : ""}</>;
}
