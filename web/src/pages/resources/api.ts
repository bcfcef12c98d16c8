/** What the table of nouns says about a kind of resource, and the calls that it leads to. */
import { call } from "../../kit/aws/any";
import type { Call } from "../../kit/code";
import { lookup } from "../../kit/lookup";
import table from "./nouns.json";

export type Kind = "text" | "status" | "time" | "number" | "flag" | "arn" | "group";
export type Item = Record<string, unknown>;

export interface Verb {
  operation: string;
  /** Member of the request → member of the summary, or of the list's own request, that gives it. */
  keys: Record<string, string>;
}

export interface Noun {
  list: string;
  items: string;
  id: string;
  columns: [string, Kind][];
  query: string[];
  /** What the list cannot be asked for without. */
  needs?: string[];
  /** By what else it can be narrowed down. */
  also?: string[];
  statuses?: string[];
  sorts?: string[];
  describe?: Verb;
  delete?: Verb;
  create?: string[];
}

export const nouns = lookup(table.nouns as unknown as Record<string, Noun>);
const TIMES = new Set(table.times);

/** Nouns that have better pages than these. */
export const OWN = lookup<string>({
  TrainingJob: "/training-jobs",
  ProcessingJob: "/processing-jobs",
  TransformJob: "/transform-jobs",
  HyperParameterTuningJob: "/tuning-jobs",
  Endpoint: "/endpoints",
  Model: "/models",
  Experiment: "/experiments",
  NotebookInstance: "/notebook-instances",
  StudioLifecycleConfig: "/start-scripts",
  CodeRepository: "/code-repositories",
});

/** "FeatureGroup" → "feature group"; names of things keep their capitals. */
export const spoken = (noun: string) => noun.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().replace("mlflow", "MLflow").replace("hyper parameter", "hyperparameter");
export const plural = (noun: string) => spoken(nouns[noun]?.list.slice(4) ?? noun);
export const title = (text: string) => text[0]!.toUpperCase() + text.slice(1);
/** A member's name as a heading. */
export const heading = (member: string, noun: string) => {
  const short = member.startsWith(noun) && member.length > noun.length ? member.slice(noun.length) : member;
  const said = short.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/\bArn\b/, "ARN").replace(/\bUri\b/, "URI").replace(/\bId\b/, "ID");
  return said.replace(/ ([A-Z])(?=[a-z])/g, (_, c: string) => ` ${c.toLowerCase()}`);
};

/** Epoch seconds become dates, wherever the model says that a member is a time. */
export function revived(value: unknown, name = ""): unknown {
  if (Array.isArray(value)) return value.map((v) => revived(v));
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, revived(v, k)]));
  return typeof value === "number" && TIMES.has(name) ? new Date(value * 1000) : value;
}

export async function list(noun: string, query: object, signal?: AbortSignal) {
  const about = nouns[noun]!;
  const answer = await call<Item>("sagemaker", about.list, query, signal);
  return { items: revived(answer[about.items] ?? []) as Item[], next: answer["NextToken"] as string | undefined };
}

/** The request of a verb, from what is known of one thing. */
export function request(verb: Verb, known: Item): Item {
  return Object.fromEntries(Object.entries(verb.keys).map(([to, from]) => [to, known[from]]).filter(([, v]) => v !== undefined));
}

export const code = (operation: string, input: object): Call => ({ service: "sagemaker", operation, input });

/** What tells one from all others, and stands in its address: its id in the path, further keys in the query. */
export function href(noun: string, item: Item): string | undefined {
  const about = nouns[noun]!;
  if (!about.describe) return undefined;
  const keys = Object.values(about.describe.keys).filter((k) => k !== about.id && item[k] !== undefined);
  const query = new URLSearchParams(keys.map((k) => [k, String(item[k])]));
  return `/resources/${noun}/${encodeURIComponent(String(item[about.id]))}${query.size ? `?${query}` : ""}`;
}

/** Lists of other nouns that can be asked for what belongs to this one. */
export function children(noun: string, known: Item): { noun: string; href: string }[] {
  const keys = Object.values(nouns[noun]?.describe?.keys ?? {});
  return Object.entries(nouns).flatMap(([other, { needs = [], also = [] }]) => {
    if (other === noun || OWN[other]) return [];
    const found = [...needs, ...also].flatMap((input) => keys.filter((k) => (input === k || input === `${k}Equals`) && k.startsWith(noun)).map((k) => [input, String(known[k])] as [string, string]));
    return found.length ? [{ noun: other, href: `/resources/${other}?${new URLSearchParams(found)}` }] : [];
  });
}
