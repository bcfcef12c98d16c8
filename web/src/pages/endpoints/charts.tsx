/** What an endpoint's variants do now: requests, answers, errors, and what they use of the machine. */
import type { DescribeEndpointOutput } from "@aws-sdk/client-sagemaker";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { Chart, type Series } from "../../kit/chart";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { lookup } from "../../kit/lookup";
import { measured, type Wanted } from "../../kit/measured";
import { useView } from "../../kit/view";
import { Waiting } from "../../kit/waiting";

const SPANS = lookup<[label: string, minutes: number]>({ "15m": ["15 min", 15], "1h": ["1 h", 60], "6h": ["6 h", 360], "1d": ["1 day", 1440], "7d": ["7 days", 10_080] });
const EVERY = 5000;
const SERVED = "AWS/SageMaker";
const USED = "/aws/sagemaker/Endpoints";

interface Panel {
  title: string;
  unit?: string;
  of: { label?: string; namespace: string; metric: string; stat: Wanted["stat"]; scale?: number }[];
}

const PANELS: Panel[] = [
  { title: "Requests a minute", of: [{ namespace: SERVED, metric: "Invocations", stat: "Sum" }] },
  {
    title: "Model latency",
    unit: " ms",
    of: [
      { label: "average", namespace: SERVED, metric: "ModelLatency", stat: "Average", scale: 0.001 },
      { label: "slowest", namespace: SERVED, metric: "ModelLatency", stat: "Maximum", scale: 0.001 },
    ],
  },
  { title: "Time around the model", unit: " ms", of: [{ namespace: SERVED, metric: "OverheadLatency", stat: "Average", scale: 0.001 }] },
  {
    title: "Requests that failed",
    of: [
      { label: "4xx", namespace: SERVED, metric: "Invocation4XXErrors", stat: "Sum" },
      { label: "5xx", namespace: SERVED, metric: "Invocation5XXErrors", stat: "Sum" },
    ],
  },
  { title: "CPU used", unit: " %", of: [{ namespace: USED, metric: "CPUUtilization", stat: "Average" }] },
  { title: "Memory used", unit: " %", of: [{ namespace: USED, metric: "MemoryUtilization", stat: "Average" }] },
];

export function EndpointCharts({ endpoint }: { endpoint: DescribeEndpointOutput }) {
  const [read, write] = useView();
  const span = SPANS[read("span")] ? read("span") : "1h";
  const name = endpoint.EndpointName!;
  const variants = (endpoint.ProductionVariants ?? []).map((v) => v.VariantName!);
  const several = variants.length > 1;
  const { value, error, reload } = useLoad<Series[][]>(
    async (abort) => {
      const to = new Date();
      const from = new Date(to.getTime() - SPANS[span]![1] * 60_000);
      const wanted = PANELS.map((p) =>
        p.of.flatMap((m) => variants.map((v): Wanted => ({ ...m, name: [several ? v : "", m.label ?? ""].filter(Boolean).join(" ") || v, dimensions: { EndpointName: name, VariantName: v } }))),
      );
      const period = Math.max(60, SPANS[span]![1] > 1440 ? 3600 : SPANS[span]![1] > 360 ? 300 : 60);
      const series = await measured(wanted.flat(), from, to, abort, period);
      let at = 0;
      return wanted.map((w) => series.slice(at, (at += w.length)));
    },
    [name, variants, span],
    { every: EVERY },
  );
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="The metrics cannot be read" />;
  return (
    <SpaceBetween size="m">
      <SegmentedControl label="Time span" selectedId={span} options={Object.entries(SPANS).map(([id, [text]]) => ({ id, text }))} onChange={({ detail }) => write({ span: detail.selectedId === "1h" ? undefined : detail.selectedId })} />
      {value ? (
        <div className="charts">
          {PANELS.map((p, i) => (
            <Chart key={p.title} title={p.title} unit={p.unit ?? ""} series={value[i] ?? []} together={name} />
          ))}
        </div>
      ) : (
        <Waiting />
      )}
    </SpaceBetween>
  );
}
