/** What a job measured of itself, and what it used of the machine. */
import type { DescribeTrainingJobResponse } from "@aws-sdk/client-sagemaker";
import Spinner from "@cloudscape-design/components/spinner";

import { Chart, type Series } from "../../kit/chart";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { measured, metricsOf, type Wanted } from "../../kit/measured";
import { moving } from "../../kit/status";
import { GROUP } from "./api";

/** Milliseconds between two looks at the metrics of a running job. */
const EVERY = 2000;
/** Machines of a job whose use is drawn. */
const HOSTS = 8;
const USED = new Set(["CPUUtilization", "MemoryUtilization", "DiskUtilization", "GPUUtilization", "GPUMemoryUtilization"]);

interface Panel {
  title: string;
  unit: string;
  series: Series[];
}

/** "train:rmse" and "validation:rmse" are of one chart, "rmse". */
const family = (metric: string) => metric.split(":").pop()!;

async function load(job: DescribeTrainingJobResponse, abort: AbortSignal): Promise<{ own: Panel[]; used: Panel[] }> {
  const name = job.TrainingJobName!;
  const from = job.CreationTime!;
  const to = new Date((job.TrainingEndTime ?? new Date()).getTime() + 60_000);
  const [named, hosts] = await Promise.all([metricsOf(GROUP, "TrainingJobName", name), usage(job)]);
  const own: Wanted[] = named
    .filter((m) => !USED.has(m.MetricName!))
    .map((m) => ({ name: m.MetricName!, namespace: GROUP, metric: m.MetricName!, dimensions: { TrainingJobName: name }, stat: "Average" }));
  const used: Wanted[] = hosts.map(([metric, host]) => ({ name: `${metric} ${host.split("/").pop()}`, namespace: GROUP, metric, dimensions: { Host: host }, stat: "Average" }));
  const series = await measured([...own, ...used], from, to, abort);
  const panels = new Map<string, Panel>();
  series.slice(0, own.length).forEach((s) => {
    const title = family(s.name);
    panels.set(title, { title, unit: "", series: [...(panels.get(title)?.series ?? []), s] });
  });
  const machine = new Map<string, Panel>();
  series.slice(own.length).forEach((s) => {
    const title = s.name.split(" ")[0]!.replace("Utilization", " used");
    machine.set(title, { title, unit: " %", series: [...(machine.get(title)?.series ?? []), { ...s, name: s.name.split(" ")[1]! }] });
  });
  return { own: [...panels.values()], used: [...machine.values()] };
}

/** (metric, host) pairs of a job's machines: a host is "job/algo-1". */
async function usage({ TrainingJobName: name, ResourceConfig: machines }: DescribeTrainingJobResponse): Promise<[string, string][]> {
  const count = machines?.InstanceCount ?? machines?.InstanceGroups?.reduce((n, g) => n + (g.InstanceCount ?? 0), 0) ?? 1;
  const hosts = Array.from({ length: Math.min(count, HOSTS) }, (_, i) => `${name}/algo-${i + 1}`);
  const found = await Promise.all(hosts.map((h) => metricsOf(GROUP, "Host", h)));
  return found.flatMap((metrics, i) => metrics.map((m): [string, string] => [m.MetricName!, hosts[i]!]));
}

export function JobCharts({ job }: { job: DescribeTrainingJobResponse }) {
  const running = moving(job.TrainingJobStatus);
  const { value, error, reload } = useLoad((abort) => load(job, abort), [job.TrainingJobName, job.TrainingJobStatus], { every: running && EVERY });
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="The metrics cannot be read" />;
  if (!value) return <Spinner />;
  const together = job.TrainingJobName!;
  return (
    <div className="charts">
      {value.own.map((p) => (
        <Chart key={p.title} title={p.title} series={p.series} together={together} />
      ))}
      {value.own.length === 0 && (
        <Chart title="Metrics of the algorithm" series={[]} none="None was found in the log: MetricDefinitions say what to look for." />
      )}
      {value.used.map((p) => (
        <Chart key={p.title} title={p.title} unit={p.unit} series={p.series} together={together} />
      ))}
    </div>
  );
}
