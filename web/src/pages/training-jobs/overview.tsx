/** What matters about a job at a glance: in the split panel of the list, and first on its own page. */
import { DescribeTrainingJobCommand, type DescribeTrainingJobResponse } from "@aws-sdk/client-sagemaker";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { sagemaker } from "../../kit/aws/sagemaker";
import { short } from "../../kit/chart";
import { Facts } from "../../kit/detail";
import { ErrorPanel, FailureReason } from "../../kit/errors";
import { useLoad, type Loaded } from "../../kit/load";
import { S3Link } from "../../kit/s3-link";
import { Status } from "../../kit/status";
import { duration, Duration, RelativeTime } from "../../kit/time";
import { Waiting } from "../../kit/waiting";

export function useJob(name: string): Loaded<DescribeTrainingJobResponse> {
  return useLoad(
    async (abortSignal) => {
      const job = await sagemaker().send(new DescribeTrainingJobCommand({ TrainingJobName: name }), { abortSignal });
      return job as DescribeTrainingJobResponse;
    },
    name,
    { kinds: ["TrainingJob"], name },
  );
}

export function facts(job: DescribeTrainingJobResponse) {
  const { AlgorithmSpecification: algorithm, ResourceConfig: machines } = job;
  return {
    Image: <span className="mono">{(algorithm?.TrainingImage ?? algorithm?.AlgorithmName)?.split("/").pop()}</span>,
    Machines: machines?.InstanceGroups?.length
      ? machines.InstanceGroups.map((g) => `${g.InstanceCount} × ${g.InstanceType}`).join(", ")
      : machines && `${machines.InstanceCount} × ${machines.InstanceType}`,
    Created: <RelativeTime at={job.CreationTime} />,
    Took: <Duration from={job.TrainingStartTime ?? job.CreationTime} to={job.TrainingEndTime} />,
    "Billable time": job.BillableTimeInSeconds === undefined ? undefined : duration(job.BillableTimeInSeconds),
    Spot: job.EnableManagedSpotTraining ? "Yes" : undefined,
    "Network isolation": job.EnableNetworkIsolation ? "On" : undefined,
    "Model artifact": job.ModelArtifacts?.S3ModelArtifacts && <S3Link uri={job.ModelArtifacts.S3ModelArtifacts} />,
  };
}

export function Overview({ name }: { name: string }) {
  const { value: job, error } = useJob(name);
  if (error !== undefined) return <ErrorPanel error={error} />;
  if (!job) return <Waiting />;
  const metrics = job.FinalMetricDataList ?? [];
  return (
    <SpaceBetween size="m">
      <FailureReason reason={job.FailureReason} />
      <Facts of={{ Status: <Status value={job.TrainingJobStatus} />, Phase: job.SecondaryStatus, ...facts(job), ...Object.fromEntries(metrics.map((m) => [m.MetricName!, <b>{short(m.Value)}</b>])) }} />
    </SpaceBetween>
  );
}
