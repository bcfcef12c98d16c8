import {
  DescribeTransformJobCommand,
  ListTransformJobsCommand,
  StopTransformJobCommand,
  type CreateTransformJobRequest,
  type DescribeTransformJobResponse,
  type ListTransformJobsRequest,
} from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import { python } from "../../kit/code";
import { picked } from "../../kit/described";
import type { Hit } from "../../kit/page";

export const GROUP = "/aws/sagemaker/TransformJobs";
export const href = (name: string) => `/transform-jobs/${encodeURIComponent(name)}`;

export async function list(query: ListTransformJobsRequest, abortSignal?: AbortSignal) {
  const { TransformJobSummaries, NextToken } = await sagemaker().send(new ListTransformJobsCommand(query), { ...(abortSignal && { abortSignal }) });
  return { items: TransformJobSummaries, next: NextToken };
}

export async function describe(TransformJobName: string, abortSignal?: AbortSignal): Promise<DescribeTransformJobResponse> {
  return (await sagemaker().send(new DescribeTransformJobCommand({ TransformJobName }), { ...(abortSignal && { abortSignal }) })) as DescribeTransformJobResponse;
}

export const stop = (TransformJobName: string) => sagemaker().send(new StopTransformJobCommand({ TransformJobName }));

export async function find(text: string): Promise<Hit[]> {
  const { items } = await list({ NameContains: text, MaxResults: 5 });
  return (items ?? []).map((j) => ({ kind: "Transform job", name: j.TransformJobName!, href: href(j.TransformJobName!), status: j.TransformJobStatus }));
}

const ASKED = ["TransformJobName", "ModelName", "MaxConcurrentTransforms", "ModelClientConfig", "MaxPayloadInMB", "BatchStrategy", "Environment", "TransformInput", "TransformOutput", "DataCaptureConfig", "TransformResources", "DataProcessing", "ExperimentConfig"];

/** What a job was asked for, of its description. */
export const asked = (job: DescribeTransformJobResponse) => picked(job, ASKED);

/** A Python keyword for each value that there is. */
const keywords = (of: Record<string, unknown>, indent: string) => Object.entries(of).filter(([, v]) => v !== undefined).map(([k, v]) => `${indent}${k}=${python(v, 4)},`).join("\n");

/** The same with SDK v3's words. */
export function sdk(job: CreateTransformJobRequest): string {
  const { TransformInput: read, TransformOutput: wrote, TransformResources: machines, DataProcessing: filters } = job;
  return `from sagemaker.core.transformer import Transformer

transformer = Transformer(
${keywords({ model_name: job.ModelName, instance_count: machines?.InstanceCount, instance_type: machines?.InstanceType, strategy: job.BatchStrategy, assemble_with: wrote?.AssembleWith, accept: wrote?.Accept, output_path: wrote?.S3OutputPath, max_concurrent_transforms: job.MaxConcurrentTransforms, max_payload: job.MaxPayloadInMB, env: job.Environment }, "    ")}
)
transformer.transform(
${keywords({ data: read?.DataSource?.S3DataSource?.S3Uri, data_type: read?.DataSource?.S3DataSource?.S3DataType, content_type: read?.ContentType, compression_type: read?.CompressionType, split_type: read?.SplitType, job_name: job.TransformJobName, input_filter: filters?.InputFilter, output_filter: filters?.OutputFilter, join_source: filters?.JoinSource }, "    ")}
)`;
}
