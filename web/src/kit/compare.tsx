/** Two jobs of a kind side by side: what each was asked for and where it led, in words and not in brackets; what differs stands out. */
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";
import { Fragment, type ReactNode } from "react";

import { Crumbs } from "./detail";
import { ErrorPanel } from "./errors";
import { useLoad } from "./load";
import { lookup } from "./lookup";
import { S3Link } from "./s3-link";
import { label, words } from "./status";
import { NameLink } from "./table";
import { duration } from "./time";
import { useView } from "./view";
import { Waiting } from "./waiting";

/** Values by their labels. */
export type Flat = Record<string, string>;

/** Members by which the items of a list are told apart; where there is one, two lists are compared item by item whatever their order. */
const NAMES = ["ChannelName", "InputName", "OutputName", "InstanceGroupName", "Name", "Key"];
/** Lists that are one thing to a person. */
const LINES = new Set(["ContainerEntrypoint", "ContainerArguments"]);
/** Maps whose keys are the user's own words, not the API's. */
const OWN = new Set(["HyperParameters", "Environment"]);
/** Groups that say nothing by themselves: an input's "S3 input › S3 URI" is its URI. */
const QUIET = new Set(["DataSource", "S3DataSource", "S3Input", "S3Output", "ClusterConfig", "Outputs"]);

const isGroup = (value: unknown): value is object => typeof value === "object" && value !== null && !(value instanceof Date);

/** Every leaf of a document below a path: "train › S3 uri". */
function flat(value: unknown, path: string[], own: boolean, into: Flat): Flat {
  if (Array.isArray(value) && value.every((e) => !isGroup(e))) into[path.join(" › ")] = value.join(", ");
  else if (Array.isArray(value)) value.forEach((e: Record<string, unknown>, i) => {
    const name = NAMES.find((n) => typeof e[n] === "string");
    const { [name ?? ""]: _, ...rest } = e;
    flat(rest, [...path, name ? String(e[name]) : String(i + 1)], false, into);
  });
  else if (value instanceof Date) into[path.join(" › ")] = value.toISOString();
  else if (isGroup(value)) {
    for (const [k, v] of Object.entries(value)) {
      if (v === undefined) continue;
      if (LINES.has(k) && Array.isArray(v)) into[[...path, label(k)].join(" › ")] = v.join(" ");
      else flat(v, QUIET.has(k) && isGroup(v) ? path : [...path, own ? k : label(k)], OWN.has(k), into);
    }
  } else into[path.join(" › ")] = typeof value === "boolean" ? (value ? "Yes" : "No") : String(value);
  return into;
}

/** A request by its members: each that is a group is a section, the plain ones are the first. */
export function sections(request: Record<string, unknown>, without: readonly string[]): Map<string, Flat> {
  const found = new Map<string, Flat>([["Request", lookup({})]]);
  for (const [k, v] of Object.entries(request)) {
    if (without.includes(k) || v === undefined) continue;
    if (isGroup(v)) found.set(label(k), flat(v, [], OWN.has(k), lookup({})));
    else flat(v, [label(k)], false, found.get("Request")!);
  }
  return found;
}

export interface CompareSpec<T extends object> {
  /** What they are, without "Job". */
  of: "Training" | "Processing" | "Transform";
  parent: { text: string; href: string };
  describe: (name: string, abort: AbortSignal) => Promise<T>;
  /** Its request. */
  asked: (job: T) => Record<string, unknown>;
  /** Where it led, besides what jobs of every kind have. */
  results?: (job: T) => Flat;
}

/** How any job ended, by the members that all kinds have under names of their own. */
function ended(of: string, job: Record<string, unknown>, own: Flat): Flat {
  const [start, end] = [job[`${of}StartTime`], job[`${of}EndTime`]];
  return {
    Status: words((job[`${of}JobStatus`] as string | undefined) ?? ""),
    ...(start instanceof Date && end instanceof Date && { [`${of} time`]: duration((end.getTime() - start.getTime()) / 1000) }),
    ...own,
    ...(typeof job["FailureReason"] === "string" && { "Why it failed": job["FailureReason"] }),
  };
}

export function Compare<T extends object>({ of, parent, describe, asked, results }: CompareSpec<T>) {
  const [read, write] = useView();
  const names = read("of").split(",").filter(Boolean).slice(0, 2);
  const differing = read("show") !== "all";
  const { value: found, loading, error, reload } = useLoad((abort) => Promise.all(names.map((name) => describe(name, abort))), names, { kinds: [`${of}Job`] });
  const value = loading ? undefined : found;
  const sides = value?.map((job) => new Map([["Result", lookup(ended(of, job as Record<string, unknown>, results?.(job) ?? {}))], ...sections(asked(job), [`${of}JobName`])]));
  const titles = [...new Set(sides?.flatMap((s) => [...s.keys()]))];
  return (
    <SpaceBetween size="l">
      <Crumbs items={[parent, { text: "Compare", href: "#" }]} />
      <Header
        variant="h1"
        description="What was asked for, and where it led."
        actions={<Toggle checked={differing} onChange={({ detail }) => write({ show: detail.checked ? undefined : "all" })}>Only what differs</Toggle>}
      >
        Compare two {of.toLowerCase()} jobs
      </Header>
      {names.length < 2 && <p>Choose two jobs in the list, then Compare two.</p>}
      {error !== undefined && <ErrorPanel error={error} retry={reload} />}
      {!value && error === undefined && <Waiting />}
      {sides?.length === 2 && (
        <table className="diff">
          <caption className="dim">{said(sides, titles)}</caption>
          <thead>
            <tr>
              <th scope="col">What</th>
              {names.map((n, i) => (
                <th key={i} scope="col"><NameLink href={`${parent.href}/${encodeURIComponent(n)}`}>{n}</NameLink></th>
              ))}
            </tr>
          </thead>
          {titles.map((title) => (
            <Group key={title} title={title} sides={sides.map((s) => s.get(title) ?? lookup<string>({}))} differing={differing} />
          ))}
        </table>
      )}
    </SpaceBetween>
  );
}

const differs = (sides: readonly Flat[], label: string) => new Set(sides.map((s) => s[label])).size > 1;
const labels = (sides: readonly Flat[]) => [...new Set(sides.flatMap((s) => Object.keys(s)))];

/** How much there is to see. */
function said(sides: readonly Map<string, Flat>[], titles: readonly string[]): string {
  const of = titles.flatMap((t) => {
    const both = sides.map((s) => s.get(t) ?? lookup<string>({}));
    return labels(both).map((label) => differs(both, label));
  });
  const n = of.filter(Boolean).length;
  return n === 0 ? `Nothing differs: all ${of.length} values are the same.` : `${n} of ${of.length} values ${n === 1 ? "differs" : "differ"}.`;
}

function Group({ title, sides, differing }: { title: string; sides: Flat[]; differing: boolean }) {
  const shown = labels(sides).filter((label) => !differing || differs(sides, label));
  if (differing && shown.length === 0) return null;
  if (labels(sides).length === 0) return null;
  return (
    <tbody>
      <tr><th colSpan={sides.length + 1} scope="rowgroup">{title}</th></tr>
      {shown.map((label) => (
        <tr key={label} className={differs(sides, label) ? "differs" : ""}>
          <th scope="row">{label.split(" › ").map((part, i) => <Fragment key={i}>{i > 0 && <span className="dim"> › </span>}{part}</Fragment>)}</th>
          {sides.map((s, i) => (
            <td key={i}>{shownAs(s[label])}</td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}

function shownAs(value: string | undefined): ReactNode {
  if (value === undefined || value === "") return <span className="dim">{value === "" ? "empty" : "not given"}</span>;
  return value.startsWith("s3://") ? <S3Link uri={value} /> : value;
}
