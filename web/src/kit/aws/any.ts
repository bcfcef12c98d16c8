/**
 * Any operation of a service that speaks JSON, by its name: for pages that a table of the API's model draws, and for answers so large
 * that building them member by member would be felt. Signed and sent as the SDK's own clients do.
 */
import { SignatureV4 } from "@smithy/signature-v4";

import { here, once, settings } from "../clients";
import { sagemaker } from "./sagemaker";

interface Service {
  /** In the signature's scope. */
  signs: string;
  /** AWS JSON 1.1: what stands before the operation in X-Amz-Target. Without it, REST: POST to /Operation. */
  target?: string;
}

const SERVICES = {
  sagemaker: { signs: "sagemaker", target: "SageMaker" },
  "application-autoscaling": { signs: "application-autoscaling", target: "AnyScaleFrontendService" },
  "sagemaker-metrics": { signs: "sagemaker" },
  scheduler: { signs: "scheduler" },
  cloudtrail: { signs: "cloudtrail", target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101" },
} as const satisfies Record<string, Service>;

export type AnyService = keyof typeof SERVICES;

const signers = Object.fromEntries(
  Object.entries(SERVICES).map(([name, { signs }]) => [
    name,
    once(() => new SignatureV4({ service: signs, region: here().Region, credentials: settings().credentials, sha256: sagemaker().config.sha256 })),
  ]),
) as Record<AnyService, () => SignatureV4>;

/** What the server said no with, in the shape of the SDK's own errors. */
class ServiceFault extends Error {
  readonly $metadata: { httpStatusCode: number; requestId?: string };
  constructor(name: string, message: string, httpStatusCode: number, requestId: string | null) {
    super(message);
    this.name = name;
    this.$metadata = { httpStatusCode, ...(requestId && { requestId }) };
  }
}

/** @returns the answer as JSON has it: times are epoch seconds. */
export async function call<T>(service: AnyService, operation: string, input: object, signal?: AbortSignal): Promise<T> {
  return (await (await send(service, operation, input, signal)).json()) as T;
}

/** As `call`, for whoever reads the answer's bytes elsewhere. */
export async function send(service: AnyService, operation: string, input: object, signal?: AbortSignal): Promise<Response> {
  const { target }: Service = SERVICES[service];
  const headers: Record<string, string> = target ? { "content-type": "application/x-amz-json-1.1", "x-amz-target": `${target}.${operation}` } : { "content-type": "application/json" };
  return ask(service, { method: "POST", path: target ? "/" : `/${operation}`, headers, body: JSON.stringify(input) }, signal);
}

export interface Request {
  method: string;
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: string;
}

/** A request of a service, signed; its answer, unless that is an error. */
export async function ask(service: AnyService, { method, path, query = {}, headers: given = {}, body }: Request, signal?: AbortSignal): Promise<Response> {
  const signed = await signers[service]().sign({
    method,
    protocol: location.protocol,
    hostname: location.hostname,
    ...(location.port && { port: Number(location.port) }),
    path,
    query,
    headers: { host: location.host, ...given },
    body,
  });
  const { host: _, ...headers } = signed.headers;
  const search = new URLSearchParams(query).toString().replaceAll("+", "%20");
  const answer = await fetch(search ? `${path}?${search}` : path, { method, headers, ...(body !== undefined && { body }), ...(signal && { signal }) });
  if (answer.ok) return answer;
  const text = await answer.text();
  const said = (text.startsWith("{") ? JSON.parse(text) : {}) as { __type?: string; message?: string; Message?: string };
  const name = (answer.headers.get("x-amzn-errortype") ?? said.__type ?? `HTTP ${answer.status}`).split("#").pop()!.split(":")[0]!;
  throw new ServiceFault(name, said.message ?? said.Message ?? answer.statusText, answer.status, answer.headers.get("x-amzn-requestid"));
}
