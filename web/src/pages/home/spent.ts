/** What the work of a time took: machine hours, an estimate of energy, and what the hours cost on AWS's price list. All from public operations. */
import { SearchCommand, type TrialComponent } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import { lookup } from "../../kit/lookup";
import { measured, type Wanted } from "../../kit/measured";
import prices from "./prices.json";

/** Kinds of jobs by what a trial component says of its source, and where their machines are measured. */
const SOURCES = lookup<{ kind: string; group: string | undefined }>({
  SageMakerTrainingJob: { kind: "Training", group: "/aws/sagemaker/TrainingJobs" },
  SageMakerProcessingJob: { kind: "Processing", group: "/aws/sagemaker/ProcessingJobs" },
  // its machines are not called by number, and no list tells their names: its use of them is left out
  SageMakerTransformJob: { kind: "Batch transform", group: undefined },
});
/** Jobs that are looked at, newest first, and machines whose processors are. */
const MOST = 500;
const HOSTS = 400;
const SECOND = 1000;

export interface Job {
  kind: string;
  name: string;
  group: string | undefined;
  type: string;
  machines: number;
  from: Date;
  to: Date;
}

export interface Spent {
  jobs: Job[];
  /** There were more than were looked at. */
  more: boolean;
  /** Hours of machines, by kind of job. */
  hours: Record<string, number>;
  /** Hours of one busy core, and of one busy GPU, as measured. */
  cores: number;
  gpus: number;
  /** Machine hours whose processors were measured. */
  seen: number;
  /** Dollars by the list, the machine hours that it has no price for, and their types. */
  dollars: number;
  unpriced: number;
  unknown: string[];
}

export const LIST: { source: string; what: string; year: number; hourly: Record<string, number> } = { ...prices, hourly: lookup<number>(prices.hourly) };

const hours = (j: Job) => (j.machines * (j.to.getTime() - j.from.getTime())) / SECOND / 3600;

function job(of: TrialComponent): Job | undefined {
  const source = SOURCES[of.Source?.SourceType ?? ""];
  const name = of.Source?.SourceArn?.split("/").pop();
  if (!source || !name || !of.StartTime || !of.EndTime) return undefined;
  const parameters = of.Parameters ?? {};
  const count = parameters["SageMaker.InstanceCount"];
  const type = parameters["SageMaker.InstanceType"];
  return { ...source, name, type: type?.StringValue ?? "", machines: count?.NumberValue ?? 1, from: of.StartTime, to: of.EndTime };
}

/** The jobs that have ended since then: each has a trial component, which says when it ran and on what. */
async function ended(since: Date, abortSignal: AbortSignal): Promise<{ jobs: Job[]; more: boolean }> {
  const jobs: Job[] = [];
  let NextToken: string | undefined;
  do {
    const page = await sagemaker().send(
      new SearchCommand({
        Resource: "ExperimentTrialComponent",
        SearchExpression: { Filters: [{ Name: "EndTime", Operator: "GreaterThanOrEqualTo", Value: since.toISOString() }, { Name: "Source.SourceArn", Operator: "Exists" }] },
        SortBy: "CreationTime",
        SortOrder: "Descending",
        MaxResults: 100,
        NextToken,
      }),
      { abortSignal },
    );
    jobs.push(...(page.Results ?? []).flatMap((r) => job(r.TrialComponent ?? {}) ?? []));
    NextToken = page.NextToken;
  } while (NextToken && jobs.length < MOST);
  return { jobs, more: NextToken !== undefined };
}

/** Hours of busy cores and GPUs of the jobs' machines, by the mean of what was measured while each ran. */
async function busy(jobs: readonly Job[], since: Date, abort: AbortSignal): Promise<Pick<Spent, "cores" | "gpus" | "seen">> {
  const hosts = jobs.flatMap((j) => (j.group ? Array.from({ length: j.machines }, (_, i) => ({ job: j, host: `${j.name}/algo-${i + 1}` })) : [])).slice(0, HOSTS);
  const ask = (metric: string) => hosts.map(({ job, host }): Wanted => ({ name: host, namespace: job.group!, metric, dimensions: { Host: host }, stat: "Average" }));
  // one point each: a period as long as the time that is looked at
  const period = Math.ceil((Date.now() - since.getTime()) / SECOND / 86_400 + 1) * 86_400;
  const begin = new Date(since.getTime() - 86_400 * SECOND);
  const [cpu, gpu] = await Promise.all(["CPUUtilization", "GPUUtilization"].map((metric) => measured(ask(metric), begin, new Date(), abort, period)));
  const total = { cores: 0, gpus: 0, seen: 0 };
  hosts.forEach(({ job }, i) => {
    const time = hours(job) / job.machines;
    const mean = (points: readonly (readonly [number, number])[]) => points.reduce((sum, [, v]) => sum + v, 0) / Math.max(points.length, 1) / 100;
    const points = cpu![i]!.points;
    if (points.length === 0) return;
    total.seen += time;
    total.cores += time * mean(points);
    total.gpus += time * mean(gpu![i]!.points);
  });
  return total;
}

export async function spent(days: number, abort: AbortSignal): Promise<Spent> {
  const since = new Date(Date.now() - days * 86_400 * SECOND);
  const { jobs, more } = await ended(since, abort);
  const found: Spent = { jobs, more, hours: {}, dollars: 0, unpriced: 0, unknown: [], ...(await busy(jobs, since, abort)) };
  for (const j of jobs) {
    const time = hours(j);
    found.hours[j.kind] = (found.hours[j.kind] ?? 0) + time;
    const price = LIST.hourly[j.type];
    if (price !== undefined) found.dollars += price * time;
    else {
      found.unpriced += time;
      if (!found.unknown.includes(j.type)) found.unknown.push(j.type);
    }
  }
  return found;
}

/** Watt hours: a figure for each busy core and GPU, over everything that a machine needs besides being accounted elsewhere. */
export const energy = (of: Spent, core: number, gpu: number) => of.cores * core + of.gpus * gpu;
