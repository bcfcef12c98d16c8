import {
  ListHyperParameterTuningJobsCommand,
  ListTrainingJobsForHyperParameterTuningJobCommand,
  type CreateHyperParameterTuningJobRequest,
  type DescribeHyperParameterTuningJobResponse,
  type HyperParameterTrainingJobDefinition,
  type HyperParameterTrainingJobSummary,
  type HyperParameterTuningJobObjective,
  type ListHyperParameterTuningJobsRequest,
} from "@aws-sdk/client-sagemaker";
import { useRef } from "react";

import { sagemaker } from "../../kit/aws/sagemaker";
import { python } from "../../kit/code";
import { picked } from "../../kit/described";
import { useLoad, type Loaded } from "../../kit/load";
import type { Hit } from "../../kit/page";
import { rowsOf } from "./ranges";

export type Job = DescribeHyperParameterTuningJobResponse;
export type Trial = HyperParameterTrainingJobSummary;

export const href = (name: string) => `/tuning-jobs/${encodeURIComponent(name)}`;
export const trainingHref = (name: string) => `/training-jobs/${encodeURIComponent(name)}`;
export const KIND = "HyperParameterTuningJob";

export async function list(query: ListHyperParameterTuningJobsRequest, abortSignal?: AbortSignal) {
  const { HyperParameterTuningJobSummaries, NextToken } = await sagemaker().send(new ListHyperParameterTuningJobsCommand(query), { ...(abortSignal && { abortSignal }) });
  return { items: HyperParameterTuningJobSummaries, next: NextToken };
}

export async function find(text: string): Promise<Hit[]> {
  const { items } = await list({ NameContains: text, MaxResults: 5 });
  return (items ?? []).map((j) => ({ kind: "Tuning job", name: j.HyperParameterTuningJobName!, href: href(j.HyperParameterTuningJobName!), status: j.HyperParameterTuningJobStatus }));
}

/** What a trial came out at; undefined while it runs, and where it failed. */
export const value = (t: Trial) => (t.ObjectiveStatus === "Succeeded" ? t.FinalHyperParameterTuningJobObjectiveMetric?.Value : undefined);

/** "search-007-0f0444b1" is trial 7. */
export const number = (t: Trial) => Number(/-(\d{3,})-[0-9a-f]{8}$/.exec(t.TrainingJobName ?? "")?.[1] ?? NaN);

export function objectiveOf(job: Job, definition?: string): HyperParameterTuningJobObjective | undefined {
  const several = job.TrainingJobDefinitions ?? [];
  return job.HyperParameterTuningJobConfig?.HyperParameterTuningJobObjective ?? (several.find((d) => d.DefinitionName === definition) ?? several[0])?.TuningObjective;
}

/**
 * The trials in the order of their creation, loaded anew when the tuning job changes: it does whenever one of them starts or ends. A full
 * page of trials that have all ended never changes again and is not asked for twice.
 */
export function useTrials(name: string): Loaded<Trial[]> {
  const settled = useRef<{ of: string; trials: Trial[]; token: string | undefined }>({ of: "", trials: [], token: undefined });
  return useLoad(
    async (abortSignal) => {
      if (settled.current.of !== name) settled.current = { of: name, trials: [], token: undefined };
      let { trials, token } = settled.current;
      let still = true;
      do {
        const page = await sagemaker().send(
          new ListTrainingJobsForHyperParameterTuningJobCommand({ HyperParameterTuningJobName: name, MaxResults: 100, NextToken: token, SortBy: "CreationTime", SortOrder: "Ascending" }),
          { abortSignal },
        );
        const found = page.TrainingJobSummaries ?? [];
        trials = [...trials, ...found];
        token = page.NextToken;
        still &&= found.every((t) => t.ObjectiveStatus !== "Pending");
        if (still && token) settled.current = { of: name, trials, token };
      } while (token);
      return trials;
    },
    name,
    { kinds: [KIND], name },
  );
}

/** What the server adds to a definition by itself. */
const ADDED = { metric: "ObjectiveMetric", static: "_tuning_objective_metric" };

function original(definition: HyperParameterTrainingJobDefinition): HyperParameterTrainingJobDefinition {
  const { [ADDED.static]: _, ...kept } = definition.StaticHyperParameters ?? {};
  const metrics = (definition.AlgorithmSpecification?.MetricDefinitions ?? []).filter((m) => m.Name !== ADDED.metric);
  const { MetricDefinitions: __, ...algorithm } = definition.AlgorithmSpecification ?? { TrainingInputMode: undefined };
  const { HyperParameterTuningResourceConfig: wide, ...plain } = definition;
  // one kind of machine is the same by either member, and a description has both
  return { ...(wide?.InstanceConfigs?.length ? definition : plain), StaticHyperParameters: kept, AlgorithmSpecification: { ...algorithm, ...(metrics.length > 0 && { MetricDefinitions: metrics }) } };
}

/** What a tuning job was asked for: CreateHyperParameterTuningJob's members of a description. */
export function asked(job: Job): CreateHyperParameterTuningJobRequest {
  return {
    ...picked(job, ["HyperParameterTuningJobName", "HyperParameterTuningJobConfig", "WarmStartConfig", "Autotune"]),
    ...(job.TrainingJobDefinition && { TrainingJobDefinition: original(job.TrainingJobDefinition) }),
    ...(job.TrainingJobDefinitions?.length && { TrainingJobDefinitions: job.TrainingJobDefinitions.map(original) }),
  } as unknown as CreateHyperParameterTuningJobRequest;
}

/** The same with SDK v3's words; undefined where it has none that are as short. */
export function sdk(job: CreateHyperParameterTuningJobRequest): string | undefined {
  const { HyperParameterTuningJobConfig: c, TrainingJobDefinition: d } = job;
  if (!d || !c) return undefined;
  const classes = { Continuous: "ContinuousParameter", Integer: "IntegerParameter", Categorical: "CategoricalParameter" };
  const rows = rowsOf(c.ParameterRanges);
  const ranges = rows.map((r) => {
    const inner = r.kind === "Categorical" ? python(r.values, 8) : `${r.low}, ${r.high}${r.scale === "Auto" ? "" : `, scaling_type="${r.scale}"`}`;
    return `        ${JSON.stringify(r.name)}: ${classes[r.kind]}(${inner}),`;
  });
  const channels = (d.InputDataConfig ?? []).map((i) => `    InputData(channel_name="${i.ChannelName}", data_source="${i.DataSource?.S3DataSource?.S3Uri ?? ""}"),`);
  const metrics = d.AlgorithmSpecification?.MetricDefinitions;
  const used = [...new Set(rows.map((r) => classes[r.kind]))].sort();
  return `from sagemaker.core.parameter import ${used.join(", ")}
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig
from sagemaker.train.tuner import HyperparameterTuner

trainer = ModelTrainer(
    training_image="${d.AlgorithmSpecification?.TrainingImage ?? ""}",
    role="${d.RoleArn ?? ""}",
    compute=Compute(instance_type="${d.ResourceConfig?.InstanceType ?? "ml.m5.large"}", instance_count=${d.ResourceConfig?.InstanceCount ?? 1}),
    hyperparameters=${python(d.StaticHyperParameters ?? {}, 4)},
    output_data_config=OutputDataConfig(s3_output_path="${d.OutputDataConfig?.S3OutputPath ?? ""}"),
)
tuner = HyperparameterTuner(
    trainer,
    objective_metric_name="${c.HyperParameterTuningJobObjective?.MetricName ?? ""}",
    hyperparameter_ranges={
${ranges.join("\n")}
    },${metrics?.length ? `\n    metric_definitions=${python(metrics, 4)},` : ""}
    strategy="${c.Strategy}",
    objective_type="${c.HyperParameterTuningJobObjective?.Type}",
    max_jobs=${c.ResourceLimits?.MaxNumberOfTrainingJobs ?? "None"},
    max_parallel_jobs=${c.ResourceLimits?.MaxParallelTrainingJobs ?? 1},
    early_stopping_type="${c.TrainingJobEarlyStoppingType ?? "Off"}",
)
tuner.tune(inputs=[
${channels.join("\n")}
])`;
}
