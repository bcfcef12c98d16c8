/** What the machines of a job were used of: processor, memory, disk and accelerator, a line a machine. */

import { Chart, type Series } from "./chart";
import { ErrorPanel } from "./errors";
import { useLoad } from "./load";
import { measured, metricsOf, type Wanted } from "./measured";
import { Waiting } from "./waiting";

/** Milliseconds between two looks at a running job; CloudWatch announces nothing. */
const EVERY = 2000;
/** Machines whose use is drawn. */
const HOSTS = 8;
/** Milliseconds after its end in which the last sample may come. */
const LATE = 60_000;

/** In this order; percent as SageMaker counts it, so two busy cores are 200 %. */
const KINDS: Record<string, string> = {
  CPUUtilization: "CPU (100 % is one core)",
  MemoryUtilization: "Memory",
  DiskUtilization: "Disk",
  GPUUtilization: "GPU (100 % is one)",
  GPUMemoryUtilization: "GPU memory",
};

export const isUse = (metric: string | undefined): metric is string => metric !== undefined && metric in KINDS;

export interface UsageOf {
  /** The namespace, which is the job's log group too. */
  group: string;
  job: string;
  /** Values of the dimension Host, "job/algo-1"; those that a job has machines for. */
  hosts: readonly string[];
  from: Date;
  to: Date | undefined;
}

export interface Panel {
  title: string;
  unit: string;
  series: Series[];
}

/** "algo-1": what stays of a host's name within its job. */
const machine = (host: string) => host.split("/").pop()!;

export const hostsOf = (job: string, count: number) => Array.from({ length: Math.min(count, HOSTS) }, (_, i) => `${job}/algo-${i + 1}`);

/** A panel for each resource that was measured of any of the machines. */
export async function usage({ group, hosts, from, to }: UsageOf, abort: AbortSignal): Promise<Panel[]> {
  const found = await Promise.all(hosts.slice(0, HOSTS).map(async (host) => (await metricsOf(group, "Host", host)).flatMap((m) => (isUse(m.MetricName) ? [{ metric: m.MetricName, host }] : []))));
  const known = found.flat();
  const wanted: Wanted[] = known.map(({ metric, host }) => ({ name: machine(host), namespace: group, metric, dimensions: { Host: host }, stat: "Average" }));
  const series = await measured(wanted, from, new Date((to ?? new Date()).getTime() + LATE), abort);
  return Object.entries(KINDS)
    .map(([metric, title]) => ({ title, unit: " %", series: series.filter((_, i) => known[i]!.metric === metric) }))
    .filter((p) => p.series.length > 0);
}

export function Charts({ panels, together }: { panels: readonly Panel[]; together: string }) {
  return panels.map((p) => <Chart key={p.title} title={p.title} unit={p.unit} series={p.series} together={together} />);
}

/** The charts of a job that measures nothing of its own. */
export function UsageCharts({ of, running }: { of: UsageOf; running: boolean }) {
  const { value, error, reload } = useLoad((abort) => usage(of, abort), [of.job, of.hosts, of.to], { every: running && EVERY });
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="The metrics cannot be read" />;
  if (!value) return <Waiting />;
  return (
    <div className="charts">
      {value.length === 0 ? (
        <Chart title="Use of its machines" series={[]} none={running ? "The first sample comes when the container runs." : "It ended before anything was measured."} />
      ) : (
        <Charts panels={value} together={of.job} />
      )}
    </div>
  );
}
