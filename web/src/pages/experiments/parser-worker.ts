/** The worker: an answer of Search becomes one array of numbers, row by row; what is no number stands beside it. */

export interface About {
  name: string;
  arn: string;
  title: string;
  status: string;
  /** Epoch seconds. */
  at: number | undefined;
  experiments: string[];
  source: string;
  mlflow: { server: string; experiment: string; run: string } | undefined;
}

export interface Page {
  about: About[];
  columns: string[];
  /** about.length × columns.length; NaN where there is none, or where it is a text. */
  values: Float64Array;
  /** [place in values, text] */
  texts: [number, string][];
  /** Of each column: the first row's value, and whether another row has another. */
  firsts: (number | string | undefined)[];
  differs: boolean[];
  total: number;
  next: string | undefined;
}

interface Component {
  TrialComponentName: string;
  TrialComponentArn: string;
  DisplayName?: string;
  Status?: { PrimaryStatus?: string };
  CreationTime?: number;
  Source?: { SourceArn?: string };
  SourceDetail?: { TrainingJob?: { MlflowConfig?: { MlflowResourceArn?: string }; MlflowDetails?: { MlflowExperimentId?: string; MlflowRunId?: string } } };
  Parents?: { ExperimentName?: string }[];
  Parameters?: Record<string, { NumberValue?: number; StringValue?: string }>;
  Metrics?: { MetricName: string; Last?: number }[];
}

interface Answer {
  Results?: { TrialComponent?: Component }[];
  TotalHits?: { Value?: number };
  NextToken?: string;
}

function about(c: Component): About {
  const job = c.SourceDetail?.TrainingJob;
  const server = job?.MlflowConfig?.MlflowResourceArn;
  const run = job?.MlflowDetails?.MlflowRunId;
  return {
    name: c.TrialComponentName,
    arn: c.TrialComponentArn,
    title: c.DisplayName ?? c.TrialComponentName,
    status: c.Status?.PrimaryStatus ?? "",
    at: c.CreationTime,
    experiments: [...new Set((c.Parents ?? []).flatMap((p) => p.ExperimentName ?? []))],
    source: c.Source?.SourceArn ?? "",
    mlflow: server && run ? { server, experiment: job?.MlflowDetails?.MlflowExperimentId ?? "", run } : undefined,
  };
}

/** (column, value) of a run. */
function* cells(c: Component): Generator<[string, number | string]> {
  for (const [name, p] of Object.entries(c.Parameters ?? {})) {
    const value = p.NumberValue ?? p.StringValue;
    if (value !== undefined) yield [`p:${name}`, value];
  }
  for (const m of c.Metrics ?? []) if (m.Last !== undefined) yield [`m:${m.MetricName}`, m.Last];
}

export function read(answer: Answer): Page {
  const components = (answer.Results ?? []).flatMap((r) => r.TrialComponent ?? []);
  const at = new Map<string, number>();
  for (const c of components) for (const [column] of cells(c)) if (!at.has(column)) at.set(column, at.size);
  const width = at.size;
  const values = new Float64Array(components.length * width).fill(NaN);
  const texts: Page["texts"] = [];
  const firsts = new Array<number | string | undefined>(width).fill(undefined);
  const count = new Uint32Array(width);
  const differs = new Array<boolean>(width).fill(false);
  components.forEach((c, row) => {
    for (const [column, value] of cells(c)) {
      const place = at.get(column)!;
      if (typeof value === "number") values[row * width + place] = value;
      else texts.push([row * width + place, value]);
      if (row === 0) firsts[place] = value;
      else if (firsts[place] !== value) differs[place] = true;
      count[place] = count[place]! + 1;
    }
  });
  count.forEach((n, place) => {
    if (n !== components.length) differs[place] = true;
  });
  return { about: components.map(about), columns: [...at.keys()], values, texts, firsts, differs, total: answer.TotalHits?.Value ?? components.length, next: answer.NextToken };
}

self.onmessage = ({ data }: MessageEvent<{ number: number; body: ArrayBuffer }>) => {
  try {
    const page = read(JSON.parse(new TextDecoder().decode(data.body)) as Answer);
    self.postMessage({ number: data.number, page }, { transfer: [page.values.buffer] });
  } catch (error) {
    self.postMessage({ number: data.number, fault: String(error) });
  }
};
