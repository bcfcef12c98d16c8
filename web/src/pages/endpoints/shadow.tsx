/** The shadow beside what it listens to: the same requests, two models. */
import type { DescribeEndpointOutput } from "@aws-sdk/client-sagemaker";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import Box from "@cloudscape-design/components/box";
import { Link } from "react-router";

import { Chart, short, type Series } from "../../kit/chart";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { measured, type Wanted } from "../../kit/measured";
import { Waiting } from "../../kit/waiting";
import { captured, type Captured } from "./captured";

const EVERY = 5000;
const HOUR = 3_600_000;
const SERVED = "AWS/SageMaker";
/** Captured requests that are looked at for pairs. */
const PAIRS = 100;

interface Measure {
  title: string;
  metric: string;
  stat: Wanted["stat"];
  unit: string;
  scale?: number;
  /** How the minutes of the last hour become one number; a mean has to know how many requests each had. */
  fold: (points: Series["points"], requests: Series["points"]) => number | undefined;
}

const sum = (points: Series["points"]) => points.reduce((n, [, y]) => n + y, 0);
function mean(points: Series["points"], requests: Series["points"]): number | undefined {
  const counts = new Map(requests.map(([x, y]) => [x, y]));
  const count = points.reduce((n, [x]) => n + (counts.get(x) ?? 0), 0);
  return count ? points.reduce((n, [x, y]) => n + y * (counts.get(x) ?? 0), 0) / count : undefined;
}
const top = (points: Series["points"]) => (points.length ? Math.max(...points.map(([, y]) => y)) : undefined);

const MEASURES: Measure[] = [
  { title: "Requests", metric: "Invocations", stat: "Sum", unit: "", fold: sum },
  { title: "Model latency, average", metric: "ModelLatency", stat: "Average", unit: " ms", scale: 0.001, fold: mean },
  { title: "Model latency, slowest", metric: "ModelLatency", stat: "Maximum", unit: " ms", scale: 0.001, fold: top },
  { title: "4xx", metric: "Invocation4XXErrors", stat: "Sum", unit: "", fold: sum },
  { title: "5xx", metric: "Invocation5XXErrors", stat: "Sum", unit: "", fold: sum },
];

async function compared(endpoint: string, variants: string[], abort: AbortSignal): Promise<Series[][]> {
  const to = new Date();
  const wanted = MEASURES.map((m) => variants.map((v): Wanted => ({ name: v, namespace: SERVED, metric: m.metric, stat: m.stat, dimensions: { EndpointName: endpoint, VariantName: v }, ...(m.scale && { scale: m.scale }) })));
  const series = await measured(wanted.flat(), new Date(to.getTime() - HOUR), to, abort, 60);
  return MEASURES.map((_, i) => series.slice(i * variants.length, (i + 1) * variants.length));
}

interface Pair {
  id: string;
  input: string;
  said: string;
  shadow: string;
}

/** Requests that both have answered: their captures share an event's id. */
function paired(found: Captured[], variant: string, shadow: string): Pair[] {
  const of = (name: string) => new Map(found.filter((r) => r.variant === name && r.output).map((r) => [r.id, r]));
  const theirs = of(shadow);
  const text = (r: Captured, side: "input" | "output") => r[side]?.text?.trim() ?? `${r[side]?.bytes ?? 0} bytes`;
  return [...of(variant)].flatMap(([id, r]) => (theirs.has(id) ? [{ id, input: text(r, "input"), said: text(r, "output"), shadow: text(theirs.get(id)!, "output") }] : []));
}

export function Shadow({ endpoint }: { endpoint: DescribeEndpointOutput }) {
  const name = endpoint.EndpointName!;
  const variant = endpoint.ProductionVariants?.[0]?.VariantName ?? "";
  const shadow = endpoint.ShadowProductionVariants?.[0]?.VariantName ?? "";
  const kept = endpoint.DataCaptureConfig?.DestinationS3Uri;
  const metrics = useLoad((abort) => compared(name, [variant, shadow], abort), [name, variant, shadow], { every: EVERY });
  const pairs = useLoad(async (abort) => (kept ? paired((await captured(kept, name, PAIRS, abort)).found, variant, shadow) : []), [name, kept, variant, shadow], { every: EVERY });
  if (metrics.error !== undefined && !metrics.value) return <ErrorPanel error={metrics.error} retry={metrics.reload} doing="The metrics cannot be read" />;
  if (!metrics.value) return <Waiting />;
  const { value } = metrics;
  const equal = pairs.value?.filter((p) => p.said === p.shadow).length ?? 0;
  return (
    <SpaceBetween size="l">
      <Table
        variant="container"
        items={MEASURES.map((m, i) => ({ ...m, values: value[i]!.map((s, j) => m.fold(s.points, value[0]![j]!.points)) }))}
        ariaLabels={{ tableLabel: "Variant and shadow" }}
        header={<Header variant="h2" description="Of the last hour. The shadow's answers go to nobody.">{variant} and its shadow, {shadow}</Header>}
        columnDefinitions={[
          { id: "measure", header: "Measure", isRowHeader: true, cell: (m) => m.title },
          { id: "variant", header: variant, cell: (m) => `${short(m.values[0])}${m.values[0] === undefined ? "" : m.unit}` },
          { id: "shadow", header: `${shadow} (shadow)`, cell: (m) => `${short(m.values[1])}${m.values[1] === undefined ? "" : m.unit}` },
          { id: "change", header: "Difference", cell: ({ values: [a, b] }) => (a && b !== undefined ? `${b >= a ? "+" : "−"}${Math.abs((100 * (b - a)) / a).toFixed(0)} %` : "–") },
        ]}
      />
      <div className="charts">
        {MEASURES.slice(0, 3).map((m, i) => <Chart key={m.title} title={m.title} unit={m.unit} series={value[i]!} together={name} />)}
      </div>
      {pairs.error !== undefined && <ErrorPanel error={pairs.error} retry={pairs.reload} doing="The captured answers cannot be read" />}
      <Table<Pair>
        variant="container"
        items={pairs.value?.slice(0, 20) ?? []}
        trackBy="id"
        loading={pairs.loading && !pairs.value}
        loadingText="Loading"
        ariaLabels={{ tableLabel: "Both answers" }}
        header={<Header variant="h2" {...(pairs.value?.length && { description: `${equal} of the last ${pairs.value.length} are the same, letter by letter.` })}>Both answers</Header>}
        columnDefinitions={[
          { id: "input", header: "Input", width: 360, isRowHeader: true, cell: (p) => <span className="mono cut">{p.input}</span> },
          { id: "said", header: variant, width: 240, cell: (p) => <span className="mono cut">{p.said}</span> },
          { id: "shadow", header: `${shadow} (shadow)`, width: 240, cell: (p) => <span className="mono cut">{p.shadow}</span> },
          { id: "same", header: "Same", cell: (p) => (p.said === p.shadow ? "Yes" : "No") },
        ]}
        empty={<Box color="text-body-secondary">{kept ? "Nothing was answered by both yet." : <>Data capture keeps both answers to a request: <Link className="text-link" to={`/endpoints/${encodeURIComponent(name)}/update`}>turn it on</Link> to see them side by side.</>}</Box>}
      />
    </SpaceBetween>
  );
}
