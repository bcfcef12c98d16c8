/** What a job measured of itself, and what it used of the machine. */
import type { DescribeTrainingJobResponse } from "@aws-sdk/client-sagemaker";

import { Chart } from "../../kit/chart";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { measured, metricsOf, type Wanted } from "../../kit/measured";
import { moving } from "../../kit/status";
import { Charts, hostsOf, isUse, usage, type Panel } from "../../kit/usage";
import { Waiting } from "../../kit/waiting";
import { GROUP } from "./api";

/** Milliseconds between two looks at the metrics of a running job. */
const EVERY = 2000;
/** "train:rmse" and "validation:rmse" are of one chart, "rmse". */
const family = (metric: string) => metric.split(":").pop()!;

async function load(job: DescribeTrainingJobResponse, abort: AbortSignal): Promise<{ own: Panel[]; used: Panel[] }> {
  const name = job.TrainingJobName!;
  const from = job.CreationTime!;
  const to = new Date((job.TrainingEndTime ?? new Date()).getTime() + 60_000);
  const [named, used] = await Promise.all([
    metricsOf(GROUP, "TrainingJobName", name),
    usage({ group: GROUP, job: name, hosts: hostsOf(name, machines(job)), from, to: job.TrainingEndTime }, abort),
  ]);
  const own: Wanted[] = named
    .filter((m) => !isUse(m.MetricName))
    .map((m) => ({ name: m.MetricName!, namespace: GROUP, metric: m.MetricName!, dimensions: { TrainingJobName: name }, stat: "Average" }));
  const panels = new Map<string, Panel>();
  (await measured(own, from, to, abort)).forEach((s) => {
    const title = family(s.name);
    panels.set(title, { title, unit: "", series: [...(panels.get(title)?.series ?? []), s] });
  });
  return { own: [...panels.values()], used };
}

const machines = ({ ResourceConfig: r }: DescribeTrainingJobResponse) => r?.InstanceCount ?? r?.InstanceGroups?.reduce((n, g) => n + (g.InstanceCount ?? 0), 0) ?? 1;

export function JobCharts({ job }: { job: DescribeTrainingJobResponse }) {
  const running = moving(job.TrainingJobStatus);
  const { value, error, reload } = useLoad((abort) => load(job, abort), [job.TrainingJobName, job.TrainingJobStatus], { every: running && EVERY });
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="The metrics cannot be read" />;
  if (!value) return <Waiting />;
  const together = job.TrainingJobName!;
  return (
    <div className="charts">
      <Charts panels={value.own} together={together} />
      {value.own.length === 0 && (
        <Chart title="Metrics of the algorithm" series={[]} none="None was found in the log: MetricDefinitions say what to look for." />
      )}
      <Charts panels={value.used} together={together} />
    </div>
  );
}
