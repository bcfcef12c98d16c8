import {
  DescribeProcessingJobCommand,
  ListProcessingJobsCommand,
  StopProcessingJobCommand,
  type CreateProcessingJobRequest,
  type DescribeProcessingJobResponse,
  type ListProcessingJobsRequest,
} from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import { python } from "../../kit/code";
import { picked } from "../../kit/described";
import type { Hit } from "../../kit/page";

export const GROUP = "/aws/sagemaker/ProcessingJobs";
export const href = (name: string) => `/processing-jobs/${encodeURIComponent(name)}`;
/** Where a script is put, by the SDK's custom and ours. */
export const CODE = "/opt/ml/processing/input/code";
/** The input that holds it. */
export const CODE_INPUT = "code";

export async function list(query: ListProcessingJobsRequest, abortSignal?: AbortSignal) {
  const { ProcessingJobSummaries, NextToken } = await sagemaker().send(new ListProcessingJobsCommand(query), { ...(abortSignal && { abortSignal }) });
  return { items: ProcessingJobSummaries, next: NextToken };
}

export async function describe(ProcessingJobName: string, abortSignal?: AbortSignal): Promise<DescribeProcessingJobResponse> {
  return (await sagemaker().send(new DescribeProcessingJobCommand({ ProcessingJobName }), { ...(abortSignal && { abortSignal }) })) as DescribeProcessingJobResponse;
}

export const stop = (ProcessingJobName: string) => sagemaker().send(new StopProcessingJobCommand({ ProcessingJobName }));

export async function find(text: string): Promise<Hit[]> {
  const { items } = await list({ NameContains: text, MaxResults: 5 });
  return (items ?? []).map((j) => ({ kind: "Processing job", name: j.ProcessingJobName!, href: href(j.ProcessingJobName!), status: j.ProcessingJobStatus }));
}

const ASKED = ["ProcessingJobName", "ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources", "StoppingCondition", "AppSpecification", "Environment", "NetworkConfig", "RoleArn", "ExperimentConfig"];

/** What a job was asked for, of its description. */
export const asked = (job: DescribeProcessingJobResponse) => picked(job, ASKED);

/** The same with SDK v3's words. */
export function sdk({ AppSpecification: app, ProcessingResources: resources, ProcessingInputs: inputs = [], ProcessingOutputConfig: outputs, Environment: env, StoppingCondition: stopping, ...job }: CreateProcessingJobRequest): string {
  const cluster = resources?.ClusterConfig;
  const given = [
    `    image_uri=${python(app?.ImageUri ?? "")},`,
    `    role=${python(job.RoleArn ?? "")},`,
    `    instance_type=${python(cluster?.InstanceType ?? "")},`,
    `    instance_count=${cluster?.InstanceCount ?? 1},`,
    ...(app?.ContainerEntrypoint?.length ? [`    entrypoint=${python(app.ContainerEntrypoint, 4)},`] : []),
    ...(stopping?.MaxRuntimeInSeconds ? [`    max_runtime_in_seconds=${stopping.MaxRuntimeInSeconds},`] : []),
    ...(env && Object.keys(env).length ? [`    env=${python(env, 4)},`] : []),
  ];
  const read = inputs.map((i) => `        ProcessingInput(input_name=${python(i.InputName)}, s3_input=ProcessingS3Input(
            s3_uri=${python(i.S3Input?.S3Uri ?? "")}, local_path=${python(i.S3Input?.LocalPath ?? "")}, s3_data_type="S3Prefix", s3_input_mode="File")),`);
  const wrote = (outputs?.Outputs ?? []).map((o) => `        ProcessingOutput(output_name=${python(o.OutputName)}, s3_output=ProcessingS3Output(
            s3_uri=${python(o.S3Output?.S3Uri ?? "")}, local_path=${python(o.S3Output?.LocalPath ?? "")}, s3_upload_mode=${python(o.S3Output?.S3UploadMode ?? "EndOfJob")})),`);
  return `from sagemaker.core.processing import Processor
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output

processor = Processor(
${given.join("\n")}
)
processor.run(
    job_name=${python(job.ProcessingJobName ?? "")},
    inputs=[
${read.join("\n")}
    ],
    outputs=[
${wrote.join("\n")}
    ],${app?.ContainerArguments?.length ? `\n    arguments=${python(app.ContainerArguments, 4)},` : ""}
)`;
}
