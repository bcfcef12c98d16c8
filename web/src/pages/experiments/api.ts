/** The runs of an experiment: its trial components, flattened into columns of parameters and metrics. */
import { SearchCommand, type TrialComponent } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";

export interface Run {
  name: string;
  arn: string;
  title: string;
  status: string;
  at: Date | undefined;
  /** "p:rate" and "m:loss" → value. */
  cells: Record<string, number | string>;
}

function run(c: TrialComponent): Run {
  const cells: Run["cells"] = {};
  for (const [name, p] of Object.entries(c.Parameters ?? {})) {
    const value = p.NumberValue ?? p.StringValue;
    if (value !== undefined) cells[`p:${name}`] = value;
  }
  for (const m of c.Metrics ?? []) if (m.MetricName && m.Last !== undefined) cells[`m:${m.MetricName}`] = m.Last;
  return { name: c.TrialComponentName!, arn: c.TrialComponentArn!, title: c.DisplayName ?? c.TrialComponentName!, status: c.Status?.PrimaryStatus ?? "", at: c.StartTime ?? c.CreationTime, cells };
}

/** Every run, told page by page so that the first are on the screen while the others come. */
export async function runs(experiment: string, told: (runs: Run[]) => void, abortSignal: AbortSignal): Promise<Run[]> {
  const all: Run[] = [];
  let NextToken: string | undefined;
  do {
    const page = await sagemaker().send(
      new SearchCommand({
        Resource: "ExperimentTrialComponent",
        SearchExpression: { Filters: [{ Name: "Parents.ExperimentName", Operator: "Equals", Value: experiment }] },
        SortBy: "CreationTime",
        SortOrder: "Descending",
        MaxResults: 100,
        NextToken,
      }),
      { abortSignal },
    );
    all.push(...(page.Results ?? []).flatMap((r) => (r.TrialComponent ? [run(r.TrialComponent)] : [])));
    told([...all]);
    NextToken = page.NextToken;
  } while (NextToken);
  return all;
}
