/** What there is and what goes on, for the overview: counts by status, and the latest of everything. */
import {
  ListEndpointsCommand,
  ListExperimentsCommand,
  ListHyperParameterTuningJobsCommand,
  ListModelsCommand,
  ListProcessingJobsCommand,
  ListSpacesCommand,
  ListTrainingJobsCommand,
  ListTransformJobsCommand,
} from "@aws-sdk/client-sagemaker";
import { ListBucketsCommand } from "@aws-sdk/client-s3";

import { s3 } from "../../kit/aws/s3";
import { sagemaker } from "../../kit/aws/sagemaker";
import { here } from "../../kit/clients";

/** How many of a kind are looked at: the newest. */
const LATEST = 100;
const NEWEST = { SortBy: "CreationTime", SortOrder: "Descending", MaxResults: LATEST } as const;

export interface Work {
  kind: string;
  name: string;
  href: string;
  status: string;
  at: Date;
}

export interface Kind {
  total: number;
  /** There are more than were counted. */
  more: boolean;
  work: Work[];
}

const NONE: Kind = { total: 0, more: false, work: [] };

interface Summary {
  name: string | undefined;
  status?: string | undefined;
  at: Date | undefined;
}

function kind(name: string, path: string, found: Summary[], next: string | undefined): Kind {
  return {
    total: found.length,
    more: Boolean(next),
    work: found.map((f) => ({ kind: name, name: f.name!, href: `/${path}/${encodeURIComponent(f.name!)}`, status: f.status ?? "", at: f.at ?? new Date(0) })),
  };
}

const client = () => sagemaker();

/** Each kind by itself: one that this profile's role may not list does not hide the others. */
export const KINDS: Record<string, { events: string; load: (abortSignal: AbortSignal) => Promise<Kind> }> = {
  training: {
    events: "TrainingJob",
    load: async (abortSignal) => {
      const a = await client().send(new ListTrainingJobsCommand(NEWEST), { abortSignal });
      return kind("Training job", "training-jobs", (a.TrainingJobSummaries ?? []).map((j) => ({ name: j.TrainingJobName, status: j.TrainingJobStatus, at: j.LastModifiedTime })), a.NextToken);
    },
  },
  processing: {
    events: "ProcessingJob",
    load: async (abortSignal) => {
      const a = await client().send(new ListProcessingJobsCommand(NEWEST), { abortSignal });
      return kind("Processing job", "processing-jobs", (a.ProcessingJobSummaries ?? []).map((j) => ({ name: j.ProcessingJobName, status: j.ProcessingJobStatus, at: j.LastModifiedTime })), a.NextToken);
    },
  },
  tuning: {
    events: "HyperParameterTuningJob",
    load: async (abortSignal) => {
      const a = await client().send(new ListHyperParameterTuningJobsCommand(NEWEST), { abortSignal });
      return kind("Tuning job", "tuning-jobs", (a.HyperParameterTuningJobSummaries ?? []).map((j) => ({ name: j.HyperParameterTuningJobName, status: j.HyperParameterTuningJobStatus, at: j.LastModifiedTime })), a.NextToken);
    },
  },
  transform: {
    events: "TransformJob",
    load: async (abortSignal) => {
      const a = await client().send(new ListTransformJobsCommand(NEWEST), { abortSignal });
      return kind("Transform job", "transform-jobs", (a.TransformJobSummaries ?? []).map((j) => ({ name: j.TransformJobName, status: j.TransformJobStatus, at: j.LastModifiedTime })), a.NextToken);
    },
  },
  models: {
    events: "Model",
    load: async (abortSignal) => {
      const a = await client().send(new ListModelsCommand(NEWEST), { abortSignal });
      return kind("Model", "models", (a.Models ?? []).map((m) => ({ name: m.ModelName, at: m.CreationTime })), a.NextToken);
    },
  },
  endpoints: {
    events: "Endpoint",
    load: async (abortSignal) => {
      const a = await client().send(new ListEndpointsCommand(NEWEST), { abortSignal });
      return kind("Endpoint", "endpoints", (a.Endpoints ?? []).map((e) => ({ name: e.EndpointName, status: e.EndpointStatus, at: e.LastModifiedTime })), a.NextToken);
    },
  },
  experiments: {
    events: "Experiment",
    load: async (abortSignal) => {
      const a = await client().send(new ListExperimentsCommand(NEWEST), { abortSignal });
      return kind("Experiment", "experiments", (a.ExperimentSummaries ?? []).map((e) => ({ name: e.ExperimentName, at: e.LastModifiedTime })), a.NextToken);
    },
  },
  workspaces: {
    events: "Space",
    load: async (abortSignal) => {
      const a = await client().send(new ListSpacesCommand({ ...NEWEST, DomainIdEquals: here().DomainId }), { abortSignal });
      return { ...NONE, total: a.Spaces?.length ?? 0, more: Boolean(a.NextToken) };
    },
  },
  buckets: {
    events: "Bucket",
    load: async (abortSignal) => {
      const { Buckets = [] } = await s3().send(new ListBucketsCommand({}), { abortSignal });
      return { ...NONE, total: Buckets.length };
    },
  },
};

export { NONE };
