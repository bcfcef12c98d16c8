/** Series of CloudWatch, as charts want them. */
import { GetMetricDataCommand, ListMetricsCommand, type Metric } from "@aws-sdk/client-cloudwatch";

import { cloudwatch } from "./aws/metrics";
import type { Series } from "./chart";

export interface Wanted {
  name: string;
  namespace: string;
  metric: string;
  dimensions: Record<string, string>;
  stat: "Average" | "Sum" | "Maximum" | "Minimum" | "p50" | "p90" | "p99" | "SampleCount";
  /** Values are multiplied by it, for a handier unit. */
  scale?: number;
}

/** At most this many points a series: what a chart can show. */
const POINTS = 400;
const PERIODS = [1, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400];

export function periodOf(from: Date, to: Date): number {
  const seconds = (to.getTime() - from.getTime()) / 1000;
  return PERIODS.find((p) => seconds / p <= POINTS) ?? 86_400;
}

export async function measured(wanted: readonly Wanted[], from: Date, to: Date, abortSignal?: AbortSignal, period = periodOf(from, to)): Promise<Series[]> {
  if (wanted.length === 0) return [];
  const points = wanted.map(() => [] as [number, number][]);
  let NextToken: string | undefined;
  do {
    const answer = await cloudwatch().send(
      new GetMetricDataCommand({
        StartTime: from,
        EndTime: to,
        ScanBy: "TimestampAscending",
        NextToken,
        MetricDataQueries: wanted.map((w, i) => ({
          Id: `m${i}`,
          MetricStat: {
            Metric: { Namespace: w.namespace, MetricName: w.metric, Dimensions: Object.entries(w.dimensions).map(([Name, Value]) => ({ Name, Value })) },
            Period: period,
            Stat: w.stat,
          },
        })),
      }),
      { ...(abortSignal && { abortSignal }) },
    );
    for (const found of answer.MetricDataResults ?? []) {
      const at = Number(found.Id!.slice(1));
      found.Timestamps?.forEach((t, i) => points[at]!.push([t.getTime(), found.Values![i]! * (wanted[at]!.scale ?? 1)]));
    }
    NextToken = answer.NextToken;
  } while (NextToken);
  return wanted.map((w, i) => ({ name: w.name, points: points[i]! }));
}

/** Which metrics of a namespace have a dimension of this value. */
export async function metricsOf(Namespace: string, dimension: string, Value: string): Promise<Metric[]> {
  const found: Metric[] = [];
  let NextToken: string | undefined;
  do {
    const answer = await cloudwatch().send(new ListMetricsCommand({ Namespace, Dimensions: [{ Name: dimension, Value }], NextToken }));
    found.push(...(answer.Metrics ?? []));
    NextToken = answer.NextToken;
  } while (NextToken);
  return found;
}
