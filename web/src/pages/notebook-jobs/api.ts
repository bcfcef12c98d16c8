/** Notebook jobs are training jobs that run a notebook: the SDKs and this page tag them alike. */
import { SearchCommand, type DescribeTrainingJobResponse, type Filter, type TrainingJob, type TrainingJobStatus } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import type { Sort } from "../../kit/job-list";
import type { Query } from "../../kit/table";

export const TAG = "sagemaker:notebook-name";
/** What is to be known before one is stopped. */
export const KEPT = "The notebook is kept as far as it came.";
export const CHANNEL = "sagemaker_headless_execution";
export const href = (name: string) => `/notebook-jobs/${encodeURIComponent(name)}`;
/** What a list is ordered by, and what Search calls it. */
const ORDERS = { Name: "TrainingJobName", CreationTime: "CreationTime", Status: "TrainingJobStatus" } as const;

export function search({ NameContains, StatusEquals, SortBy, ...page }: Query<Sort, TrainingJobStatus>) {
  const Filters: Filter[] = [{ Name: `Tags.${TAG}`, Operator: "Exists" }];
  if (NameContains) Filters.push({ Name: "TrainingJobName", Operator: "Contains", Value: NameContains });
  if (StatusEquals) Filters.push({ Name: "TrainingJobStatus", Operator: "Equals", Value: StatusEquals });
  return { Resource: "TrainingJob" as const, SearchExpression: { Filters }, ...(SortBy && { SortBy: ORDERS[SortBy] }), ...page };
}

export async function list(query: Query<Sort, TrainingJobStatus>, abortSignal: AbortSignal) {
  const { Results, NextToken } = await sagemaker().send(new SearchCommand(search(query)), { abortSignal });
  return { items: Results?.flatMap((r) => (r.TrainingJob ? [r.TrainingJob] : [])), next: NextToken };
}

type Job = Pick<TrainingJob | DescribeTrainingJobResponse, "Environment" | "InputDataConfig">;

/** What the notebook is called. */
export const notebookOf = (job: Job) => job.Environment?.["SM_INPUT_NOTEBOOK_NAME"] ?? "";
export const resultOf = (job: Job) => job.Environment?.["SM_OUTPUT_NOTEBOOK_NAME"] ?? notebookOf(job);

/** Where the notebook was read from. */
export function sourceOf(job: Job): string | undefined {
  const uri = job.InputDataConfig?.[0]?.DataSource?.S3DataSource?.S3Uri;
  return uri && (uri.endsWith(".ipynb") ? uri : `${uri.replace(/\/$/, "")}/${notebookOf(job)}`);
}

/** Where the service puts what a job leaves in /opt/ml/output/data. */
export function outputOf(job: DescribeTrainingJobResponse): { bucket: string; key: string } | undefined {
  const found = /^s3:\/\/([^/]+)\/?(.*?)\/?$/.exec(job.OutputDataConfig?.S3OutputPath ?? "");
  if (!found) return undefined;
  return { bucket: found[1]!, key: [found[2], job.TrainingJobName, "output", "output.tar.gz"].filter(Boolean).join("/") };
}
