import { EndpointStatus, ListEndpointsCommand, type ListEndpointsInput } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import type { Hit } from "../../kit/page";

export const STATUSES = Object.values(EndpointStatus);
export const href = (name: string) => `/endpoints/${encodeURIComponent(name)}`;
export const group = (name: string) => `/aws/sagemaker/Endpoints/${name}`;

export async function list(query: ListEndpointsInput, abortSignal?: AbortSignal) {
  const { Endpoints, NextToken } = await sagemaker().send(new ListEndpointsCommand(query), { ...(abortSignal && { abortSignal }) });
  return { items: Endpoints, next: NextToken };
}

export async function find(text: string): Promise<Hit[]> {
  return ((await list({ NameContains: text, MaxResults: 5 })).items ?? []).map((e) => ({ kind: "Endpoint", name: e.EndpointName!, href: href(e.EndpointName!), status: e.EndpointStatus }));
}
