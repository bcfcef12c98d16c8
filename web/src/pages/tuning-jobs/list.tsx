import { DeleteHyperParameterTuningJobCommand, StopHyperParameterTuningJobCommand, type HyperParameterTuningJobStatus, type HyperParameterTuningJobSummary } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { moving, Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { Duration, RelativeTime } from "../../kit/time";
import { href, list } from "./api";

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

const each = (jobs: HyperParameterTuningJobSummary[], run: (HyperParameterTuningJobName: string) => Promise<unknown>) => () => Promise.all(jobs.map((j) => run(j.HyperParameterTuningJobName!)));
const these = (jobs: HyperParameterTuningJobSummary[]) => (jobs.length === 1 ? jobs[0]!.HyperParameterTuningJobName : `${jobs.length} tuning jobs`);

export default function TuningJobs() {
  return (
    <ResourceTable<HyperParameterTuningJobSummary, "Name" | "CreationTime" | "Status", HyperParameterTuningJobStatus>
      kinds={["HyperParameterTuningJob"]}
      title="Tuning jobs"
      noun="tuning job"
      description="Each looks for the hyperparameters that make the best model."
      list={list}
      id={(j) => j.HyperParameterTuningJobName!}
      statuses={["InProgress", "Completed", "Failed", "Stopping", "Stopped"]}
      sort="CreationTime"
      create={{ label: "Create a tuning job", href: "/tuning-jobs/create" }}
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 320, cell: (j) => <NameLink href={href(j.HyperParameterTuningJobName!)}>{j.HyperParameterTuningJobName}</NameLink> },
        { id: "status", header: "Status", sort: "Status", width: 160, cell: (j) => <Status value={j.HyperParameterTuningJobStatus} /> },
        { id: "strategy", header: "Strategy", width: 130, cell: (j) => j.Strategy },
        { id: "trials", header: "Trials", width: 150, cell: (j) => <Trials of={j} /> },
        { id: "created", header: "Created", sort: "CreationTime", width: 170, cell: (j) => <RelativeTime at={j.CreationTime} /> },
        { id: "took", header: "Took", width: 130, cell: (j) => <Duration from={j.CreationTime} to={moving(j.HyperParameterTuningJobStatus) ? undefined : j.HyperParameterTuningEndTime} /> },
      ]}
      actions={(chosen, done) => (
        <>
          <Confirm
            label="Stop"
            question={`Stop ${these(chosen)}?`}
            disabled={!chosen.length || !chosen.every((j) => j.HyperParameterTuningJobStatus === "InProgress")}
            run={each(chosen, (HyperParameterTuningJobName) => sagemaker().send(new StopHyperParameterTuningJobCommand({ HyperParameterTuningJobName })))}
            said="Stopping: the best trial so far is kept."
            done={done}
          >
            No further trial starts, and those that run are told to end.
          </Confirm>
          <Confirm
            label="Delete"
            question={`Delete ${these(chosen)}?`}
            disabled={!chosen.length || chosen.some((j) => moving(j.HyperParameterTuningJobStatus))}
            run={each(chosen, (HyperParameterTuningJobName) => sagemaker().send(new DeleteHyperParameterTuningJobCommand({ HyperParameterTuningJobName })))}
            said="Deleted."
            done={done}
          >
            What it knows of its trials goes and cannot be brought back; their training jobs and models stay.
          </Confirm>
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
