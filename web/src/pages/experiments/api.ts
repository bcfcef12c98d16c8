/** The runs of an experiment: its trial components, flattened into columns of parameters and metrics. */
import { call } from "../../kit/aws/any";

export interface Run {
  name: string;
  arn: string;
  title: string;
  status: string;
  at: Date | undefined;
  /** "p:rate" and "m:loss" → value. */
  cells: Record<string, number | string>;
}

/** What has come so far. Columns are kept as runs come: five thousand runs of two hundred metrics are a million cells to look at once. */
export interface Runs {
  all: Run[];
  /** How many there will be. */
  total: number;
  /** Column → whether two runs differ in it. */
  columns: ReadonlyMap<string, boolean>;
  whole: boolean;
}

interface Component {
  TrialComponentName: string;
  TrialComponentArn: string;
  DisplayName?: string;
  Status?: { PrimaryStatus?: string };
  StartTime?: number;
  CreationTime?: number;
  Parameters?: Record<string, { NumberValue?: number; StringValue?: string }>;
  Metrics?: { MetricName: string; Last?: number }[];
}

interface Page {
  Results?: { TrialComponent?: Component }[];
  TotalHits?: { Value: number };
  NextToken?: string;
}

function run(c: Component): Run {
  const cells: Run["cells"] = {};
  for (const [name, p] of Object.entries(c.Parameters ?? {})) {
    const value = p.NumberValue ?? p.StringValue;
    if (value !== undefined) cells[`p:${name}`] = value;
  }
  for (const m of c.Metrics ?? []) if (m.Last !== undefined) cells[`m:${m.MetricName}`] = m.Last;
  const at = c.StartTime ?? c.CreationTime;
  return { name: c.TrialComponentName, arn: c.TrialComponentArn, title: c.DisplayName ?? c.TrialComponentName, status: c.Status?.PrimaryStatus ?? "", at: at === undefined ? undefined : new Date(at * 1000), cells };
}

export const found = (experiment: string) => ({
  Resource: "ExperimentTrialComponent",
  SearchExpression: { Filters: [{ Name: "Parents.ExperimentName", Operator: "Equals", Value: experiment }] },
  SortBy: "CreationTime",
  SortOrder: "Descending",
});

/** Runs of the first answer: as many as a screen shows, so that it comes at once; then as many as an answer holds. */
const FIRST = 25;
const MOST = 100;
/** Milliseconds between two looks of the page at what has come. */
const TELL = 300;

/** Every run; what has come is told at once, then now and then. */
export async function runs(experiment: string, told: (so: Runs) => void, signal: AbortSignal): Promise<Runs> {
  const all: Run[] = [];
  const columns = new Map<string, boolean>();
  const first = new Map<string, number | string>();
  let last = -Infinity;
  let NextToken: string | undefined;
  do {
    const page = await call<Page>("sagemaker", "Search", { ...found(experiment), MaxResults: all.length ? MOST : FIRST, ...(NextToken && { NextToken }) }, signal);
    for (const { TrialComponent } of page.Results ?? []) {
      if (!TrialComponent) continue;
      const one = run(TrialComponent);
      all.push(one);
      for (const name in one.cells) {
        const value = one.cells[name]!;
        if (!columns.has(name)) {
          first.set(name, value);
          columns.set(name, false);
        } else if (first.get(name) !== value) columns.set(name, true);
      }
    }
    NextToken = page.NextToken;
    const so = { all: [...all], total: page.TotalHits?.Value ?? all.length, columns: new Map(columns), whole: !NextToken };
    if (so.whole) return so;
    if (performance.now() - last > TELL) {
      told(so);
      last = performance.now();
    }
  } while (!signal.aborted);
  throw new DOMException("nobody waits for it", "AbortError");
}
