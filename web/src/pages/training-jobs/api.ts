import {
  DescribeTrainingJobCommand,
  ListTrainingJobsCommand,
  type DescribeTrainingJobResponse,
  type ListTrainingJobsRequest,
} from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import type { Hit } from "../../kit/page";

export const GROUP = "/aws/sagemaker/TrainingJobs";
export const href = (name: string) => `/training-jobs/${encodeURIComponent(name)}`;

export async function list(query: ListTrainingJobsRequest, abortSignal?: AbortSignal) {
  const { TrainingJobSummaries, NextToken } = await sagemaker().send(new ListTrainingJobsCommand(query), { ...(abortSignal && { abortSignal }) });
  return { items: TrainingJobSummaries, next: NextToken };
}

export async function describe(TrainingJobName: string, abortSignal?: AbortSignal): Promise<DescribeTrainingJobResponse> {
  return (await sagemaker().send(new DescribeTrainingJobCommand({ TrainingJobName }), { ...(abortSignal && { abortSignal }) })) as DescribeTrainingJobResponse;
}

export async function find(text: string): Promise<Hit[]> {
  const { items } = await list({ NameContains: text, MaxResults: 5 });
  return (items ?? []).map((j) => ({ kind: "Training job", name: j.TrainingJobName!, href: href(j.TrainingJobName!), status: j.TrainingJobStatus }));
}

/** What a job was asked for: the members of CreateTrainingJob, of a description that also says what became of it. */
const ASKED = [
  "TrainingJobName", "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig", "VpcConfig",
  "StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "CheckpointConfig",
  "DebugHookConfig", "TensorBoardOutputConfig", "ExperimentConfig", "Environment", "RetryStrategy",
] as const;

export function asked(job: DescribeTrainingJobResponse): Record<string, unknown> {
  return Object.fromEntries(
    ASKED.map((k) => [k, job[k]] as const).filter(([, v]) => v !== undefined && v !== false && !(Array.isArray(v) && v.length === 0) && !(typeof v === "object" && v !== null && Object.keys(v).length === 0)),
  );
}

/** The same with SDK v3's words. */
export function sdk(job: Record<string, unknown>): string {
  const { AlgorithmSpecification: a, ResourceConfig: r, HyperParameters: h, InputDataConfig: i, RoleArn: role } = job as unknown as DescribeTrainingJobResponse;
  const channels = (i ?? []).map((c) => `    InputData(channel_name="${c.ChannelName}", data_source="${c.DataSource?.S3DataSource?.S3Uri ?? ""}"),`);
  return `from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData

trainer = ModelTrainer(
    training_image="${a?.TrainingImage ?? ""}",
    role="${role ?? ""}",
    compute=Compute(instance_type="${r?.InstanceType ?? "ml.m5.large"}", instance_count=${r?.InstanceCount ?? 1}),
    hyperparameters={${Object.entries(h ?? {}).map(([k, v]) => `${JSON.stringify(k)}: ${JSON.stringify(v)}`).join(", ")}},
)
trainer.train(input_data_config=[
${channels.join("\n")}
])`;
}
