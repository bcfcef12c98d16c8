/** The request of a notebook job, as the SDKs' NotebookJobStep sends it, and the schedule that makes it again and again. Pure. */
import type { CreateTrainingJobRequest, DescribeTrainingJobResponse } from "@aws-sdk/client-sagemaker";

import type { NewSchedule } from "../../kit/aws/scheduler";
import { here } from "../../kit/clients";
import { python, type Snippet } from "../../kit/code";
import { fresh } from "../../kit/form";
import { IMAGES } from "../../kit/images";
import { isPlace, stemOf } from "../../kit/job-form";
import { CHANNEL, notebookOf, sourceOf, TAG } from "./api";

export type Draft = CreateTrainingJobRequest;

export interface When {
  /** Empty: now, once. */
  expression: string;
  timezone: string;
}

export const TARGET = "arn:aws:scheduler:::aws-sdk:sagemaker:createTrainingJob";
const EXECUTION = "<aws.scheduler.execution-id>";
const FOLDER = `/opt/ml/input/data/${CHANNEL}`;

export const empty = (): Draft => ({
  TrainingJobName: fresh("notebook"),
  AlgorithmSpecification: { TrainingImage: IMAGES.find((i) => i.uri.includes("distribution"))!.uri, TrainingInputMode: "File", ContainerEntrypoint: ["amazon_sagemaker_scheduler"] },
  HyperParameters: {},
  InputDataConfig: [],
  OutputDataConfig: { S3OutputPath: "" },
  ResourceConfig: { InstanceType: "ml.m5.large", InstanceCount: 1, VolumeSizeInGB: 5 },
  StoppingCondition: { MaxRuntimeInSeconds: 3600 },
  Environment: { SM_JOB_DEF_VERSION: "1.0", SM_ENV_NAME: "sagemaker-default-env", SM_SKIP_EFS_SIMULATION: "true", SM_EXECUTION_INPUT_PATH: FOLDER, SM_KERNEL_NAME: "python3" },
  RoleArn: here().ExecutionRole,
});

/** A run once more: what was asked for, under a name of its own. */
export function again(job: DescribeTrainingJobResponse): Draft {
  const { AlgorithmSpecification, HyperParameters = {}, InputDataConfig, OutputDataConfig, ResourceConfig, StoppingCondition, Environment, RoleArn } = job;
  const stem = stemOf(job.TrainingJobName!).replace(/-[0-9a-f]{16}$/, "");
  const draft = { AlgorithmSpecification, HyperParameters, InputDataConfig, OutputDataConfig, ResourceConfig, StoppingCondition, Environment, RoleArn } as Draft;
  return { ...draft, TrainingJobName: fresh(stem), Tags: tags(notebookOf(job)) };
}

const tags = (name: string) => [{ Key: "sagemaker:name", Value: name.replace(/\.ipynb$/, "") }, { Key: TAG, Value: name }];

/** The draft with another notebook: where it is read from, what it is called, and the tags that tell it from other training jobs. */
export function reading(draft: Draft, uri: string): Draft {
  const name = uri.split("/").pop()!;
  return {
    ...draft,
    InputDataConfig: [{ ChannelName: CHANNEL, DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3Uri: uri, S3DataDistributionType: "FullyReplicated" } } }],
    Environment: { ...draft.Environment, SM_EXECUTION_INPUT_PATH: FOLDER, SM_INPUT_NOTEBOOK_NAME: name, SM_OUTPUT_NOTEBOOK_NAME: name },
    Tags: tags(name),
  };
}

/** Where a file of this computer is put for the job. */
export const uploadTo = (draft: Draft, file: File) => `${draft.OutputDataConfig!.S3OutputPath!.replace(/\/$/, "")}/${draft.TrainingJobName}/input/${file.name}`;

/** The request as it is sent: an uploaded file has its place. */
export const request = (draft: Draft, file: File | undefined): Draft => (file && isPlace(draft.OutputDataConfig?.S3OutputPath) ? reading(draft, uploadTo(draft, file)) : draft);

export function missing(draft: Draft, file: File | undefined, { expression }: When): string | undefined {
  if (!draft.TrainingJobName) return "It needs a name.";
  if (!draft.AlgorithmSpecification?.TrainingImage) return "Choose an image.";
  if (!isPlace(draft.OutputDataConfig?.S3OutputPath)) return "Say where the results go.";
  if (!file && !sourceOf(draft)) return "Choose a notebook.";
  if (!(file?.name ?? sourceOf(draft))!.endsWith(".ipynb")) return "A notebook's name ends in .ipynb.";
  return expression ? misspelt(expression) : undefined;
}

/** What is wrong with the form of an expression; undefined where nothing is. */
export const misspelt = (expression: string) => (/^(rate|cron|at)\(.+\)$/.test(expression) ? undefined : "A schedule is rate(…), cron(…) or at(…).");

/** A schedule of the job: each run gets a name by the run's own id. */
export function schedule(job: Draft, { expression, timezone }: When): NewSchedule {
  return {
    Name: job.TrainingJobName!,
    ScheduleExpression: expression,
    ScheduleExpressionTimezone: timezone,
    FlexibleTimeWindow: { Mode: "OFF" },
    Target: { Arn: TARGET, RoleArn: job.RoleArn!, Input: JSON.stringify(named(job)) },
  };
}

const named = (job: Draft): Draft => ({ ...job, TrainingJobName: `${stemOf(job.TrainingJobName!)}-${EXECUTION}` });

export function snippet(job: Draft, when: When): Snippet {
  if (!when.expression) return { calls: [{ service: "sagemaker", operation: "CreateTrainingJob", input: job }] };
  const made = schedule(job, when);
  const boto3 = `import json

import boto3

job = ${python(named(job))}
boto3.client("scheduler").create_schedule(
    Name="${made.Name}", ScheduleExpression="${made.ScheduleExpression}", ScheduleExpressionTimezone="${made.ScheduleExpressionTimezone}",
    FlexibleTimeWindow={"Mode": "OFF"},
    Target={"Arn": "${TARGET}", "RoleArn": "${job.RoleArn}", "Input": json.dumps(job)},
)`;
  return { boto3, calls: [{ service: "scheduler", operation: "CreateSchedule", input: made }] };
}
