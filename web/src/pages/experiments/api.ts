/**
 * The runs of experiments, as far as somebody has looked. The server filters, sorts and pages (Search); a run's two hundred metrics are
 * tens of kilobytes, so pages come as they are scrolled to, are read in a worker, and are kept as numbers.
 */
import { send } from "../../kit/aws/any";
import { parsed, type Page } from "./pages";

export type Value = number | string;

export interface Run {
  name: string;
  arn: string;
  title: string;
  status: string;
  at: Date | undefined;
  experiments: string[];
  /** The job's ARN, where a job made it. */
  source: string;
  /** The run in MLflow, where its job has one. */
  mlflow: { server: string; experiment: string; run: string } | undefined;
  /** Of a column: "p:rate" is a parameter, "m:loss" the last value of a metric. */
  cell: (column: string) => Value | undefined;
  /** Its columns. */
  columns: () => string[];
}

export interface Asked {
  experiments: string[];
  /** As it is typed: words, and conditions such as rate<0.1 */
  find: string;
  /** "name", "at", or a column. */
  sort: string;
  descending: boolean;
}

const RESOURCE = "ExperimentTrialComponent";

interface Filter {
  Name: string;
  Operator: string;
  Value: string;
}

const OPERATORS: Record<string, string> = { "=": "Equals", "!=": "NotEquals", "<": "LessThan", "<=": "LessThanOrEqualTo", ">": "GreaterThan", ">=": "GreaterThanOrEqualTo" };

/** `rate<0.1` is a condition on the parameter or metric of that name; anything else is a part of a run's name. */
function condition(word: string): object {
  const [, name, sign, value] = /^(.+?)(<=|>=|!=|=|<|>)(.+)$/.exec(word) ?? [];
  const any = (Filters: Filter[], Operator = "Or") => ({ Filters, Operator });
  if (!name || !sign || !value) return any(["TrialComponentName", "DisplayName"].map((Name) => ({ Name, Operator: "Contains", Value: word })));
  const Operator = OPERATORS[sign]!;
  return any([`Parameters.${name}`, `Metrics.${name}.Last`].map((Name) => ({ Name, Operator, Value: value })), sign === "!=" ? "And" : "Or");
}

export const of = (experiments: string[]): Filter => ({ Name: "Parents.ExperimentName", Operator: experiments.length > 1 ? "In" : "Equals", Value: experiments.join(",") });

const ORDERS: Record<string, string> = { name: "DisplayName", at: "CreationTime", "": "CreationTime" };

/** The request of what is asked, for the first page. */
export function search({ experiments, find, sort, descending }: Asked) {
  const words = find.split(/\s+/).filter(Boolean);
  return {
    Resource: RESOURCE,
    SearchExpression: { Filters: [of(experiments)], ...(words.length > 0 && { SubExpressions: words.map(condition) }) },
    SortBy: ORDERS[sort] ?? (sort[0] === "p" ? `Parameters.${sort.slice(2)}` : `Metrics.${sort.slice(2)}.Last`),
    SortOrder: descending ? "Descending" : "Ascending",
  };
}

async function page(input: object, signal: AbortSignal): Promise<Page & { runs: Run[] }> {
  const answer = await send("sagemaker", "Search", input, signal);
  const found = await parsed(await answer.arrayBuffer());
  const width = found.columns.length;
  const at = new Map(found.columns.map((c, i) => [c, i]));
  const texts = new Map(found.texts.map(([place, text]) => [place, text]));
  const value = (place: number) => {
    const number = found.values[place]!;
    return Number.isNaN(number) ? texts.get(place) : number;
  };
  const runs = found.about.map(({ at: time, ...about }, row): Run => ({
    ...about,
    at: time === undefined ? undefined : new Date(time * 1000),
    cell: (column) => {
      const place = at.get(column);
      return place === undefined ? undefined : value(row * width + place);
    },
    columns: () => found.columns.filter((_, i) => value(row * width + i) !== undefined),
  }));
  return { ...found, runs };
}

/** Bytes that a filter's value may have. */
const LONGEST = 1024;

/** Runs by name, wherever they are in the table; those that are gone are left out. */
export async function named(names: string[], signal: AbortSignal): Promise<Run[]> {
  const groups: string[] = [];
  for (const name of names) {
    const last = groups.at(-1);
    if (last && last.length + name.length < LONGEST) groups[groups.length - 1] = `${last},${name}`;
    else groups.push(name);
  }
  const found = await Promise.all(
    groups.map((Value) => page({ Resource: RESOURCE, SearchExpression: { Filters: [{ Name: "TrialComponentName", Operator: "In", Value }] }, MaxResults: 100 }, signal)),
  );
  return found.flatMap((f) => f.runs);
}

/** Runs of the first page, which is drawn at once, and of those after it. */
const FIRST = 20;
const MORE = 100;

/** One search, read as far as somebody needs it. */
export class Reader {
  rows: Run[] = [];
  total = 0;
  /** Column → whether two of the rows differ in it. */
  columns: ReadonlyMap<string, boolean> = new Map();
  started = false;
  whole = false;
  error: unknown;
  version = 0;
  private wanted = 0;
  private token: string | undefined;
  private busy = false;
  private readonly aborter = new AbortController();
  private readonly told = new Set<() => void>();
  private readonly first = new Map<string, Value | undefined>();
  private readonly input: object;

  constructor(asked: Asked) {
    this.input = search(asked);
  }

  subscribe = (tell: () => void) => {
    this.told.add(tell);
    return () => void this.told.delete(tell);
  };

  /** Have at least so many rows, as far as there are. */
  need(rows: number): void {
    this.wanted = Math.max(this.wanted, rows);
    if (!this.busy && !this.error) void this.read();
  }

  stop(): void {
    this.aborter.abort();
  }

  again(): void {
    this.error = undefined;
    this.need(this.wanted);
  }

  private async read(): Promise<void> {
    this.busy = true;
    try {
      while (!this.whole && (!this.started || this.rows.length < this.wanted)) {
        this.take(await page({ ...this.input, MaxResults: this.started ? MORE : FIRST, ...(this.token && { NextToken: this.token }) }, this.aborter.signal));
        this.tell();
      }
    } catch (error) {
      if (this.aborter.signal.aborted) return;
      this.error = error;
      this.tell();
    } finally {
      this.busy = false;
    }
  }

  private take(page: Page & { runs: Run[] }): void {
    const columns = new Map(this.columns);
    let changed = false;
    const set = (column: string, differs: boolean) => {
      changed ||= columns.get(column) !== differs;
      columns.set(column, differs);
    };
    page.columns.forEach((column, i) => {
      const one = page.firsts[i];
      if (!columns.has(column)) {
        this.first.set(column, one);
        // rows before this page do not have it
        set(column, this.rows.length > 0 || page.differs[i]!);
      } else if (page.differs[i] || this.first.get(column) !== one) set(column, true);
    });
    const here = new Set(page.columns);
    for (const column of columns.keys()) if (page.runs.length > 0 && !here.has(column)) set(column, true);
    // the same map while it says the same: what is made of it need not be made again for every page
    if (changed) this.columns = columns;
    this.rows = [...this.rows, ...page.runs];
    this.total = page.total;
    this.token = page.next;
    this.started = true;
    this.whole = !page.next;
  }

  private tell(): void {
    this.version += 1;
    this.told.forEach((t) => t());
  }
}
