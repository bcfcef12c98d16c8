/** BatchGetMetrics of SageMaker Metrics. The SDK has no client for that service on its own registry, so the request is signed here. */
import { SignatureV4 } from "@smithy/signature-v4";

import { here } from "../clients";
import { runtime } from "./runtime";

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

async function ask(MetricQueries: MetricQuery[], signal: AbortSignal): Promise<MetricResult[]> {
  const { credentials, sha256 } = runtime().config;
  const signer = new SignatureV4({ service: "sagemaker", region: here().Region, credentials, sha256 });
  const body = JSON.stringify({ MetricQueries });
  const signed = await signer.sign({
    method: "POST",
    protocol: location.protocol,
    hostname: location.hostname,
    path: "/BatchGetMetrics",
    headers: { host: location.host, "content-type": "application/json" },
    body,
  });
  const { host: _, ...headers } = signed.headers;
  const answer = await fetch("/BatchGetMetrics", { method: "POST", headers, body, signal });
  const said = (await answer.json()) as { MetricQueryResults?: MetricResult[]; message?: string; Message?: string };
  if (!answer.ok) throw Object.assign(new Error(said.message ?? said.Message ?? answer.statusText), { name: answer.headers.get("x-amzn-errortype")?.split(":")[0] ?? `HTTP ${answer.status}`, requestId: answer.headers.get("x-amzn-requestid") ?? undefined });
  return said.MetricQueryResults ?? [];
}

/** One result for each query, in their order. */
export async function runMetrics(queries: MetricQuery[], signal: AbortSignal): Promise<MetricResult[]> {
  const batches = Array.from({ length: Math.ceil(queries.length / MOST) }, (_, i) => queries.slice(i * MOST, (i + 1) * MOST));
  return (await Promise.all(batches.map((b) => ask(b, signal)))).flat();
}
