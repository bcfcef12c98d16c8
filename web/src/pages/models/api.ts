import { ListModelsCommand, type ListModelsCommandInput } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import type { Hit } from "../../kit/page";

export const href = (name: string) => `/models/${encodeURIComponent(name)}`;

export async function list(query: ListModelsCommandInput, abortSignal?: AbortSignal) {
  const { Models, NextToken } = await sagemaker().send(new ListModelsCommand(query), { ...(abortSignal && { abortSignal }) });
  return { items: Models, next: NextToken };
}

export async function find(text: string): Promise<Hit[]> {
  return ((await list({ NameContains: text, MaxResults: 5 })).items ?? []).map((m) => ({ kind: "Model", name: m.ModelName!, href: href(m.ModelName!) }));
}
