/** BatchGetMetrics of SageMaker Metrics, however many queries there are. */
import { call } from "./any";

export interface MetricQuery {
  ResourceArn: string;
  MetricName: string;
  MetricStat: "Last" | "Avg" | "Min" | "Max" | "Count" | "StdDev";
  Period: "IterationNumber" | "OneMinute" | "FiveMinute" | "OneHour";
  XAxisType: "IterationNumber" | "Timestamp";
}

export interface MetricResult {
  Status: string;
  Message?: string;
  XAxisValues?: number[];
  MetricValues?: number[];
}

/** Queries that one request may hold. */
const MOST = 100;

/** One result for each query, in their order. */
export async function runMetrics(queries: MetricQuery[], signal: AbortSignal): Promise<MetricResult[]> {
  const batches = Array.from({ length: Math.ceil(queries.length / MOST) }, (_, i) => queries.slice(i * MOST, (i + 1) * MOST));
  return (await Promise.all(batches.map((MetricQueries) => call<{ MetricQueryResults?: MetricResult[] }>("sagemaker-metrics", "BatchGetMetrics", { MetricQueries }, signal)))).flatMap((a) => a.MetricQueryResults ?? []);
}
