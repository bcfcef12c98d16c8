/**
 * A detail page that the answer of a Describe operation draws by itself: its plain members as facts, lists and groups as sections, the
 * cause of a failure first. A capability adds what it knows better: tabs, actions, a log.
 */
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";
import { useNavigate } from "react-router";

import { Arn } from "./arn";
import type { Snippet } from "./code";
import { Confirm } from "./confirm";
import { DetailPage, Facts, type Tab } from "./detail";
import { FailureReason } from "./errors";
import { JsonView } from "./json";
import { useLoad } from "./load";
import { S3Link } from "./s3-link";
import { label, moving } from "./status";
import { RelativeTime } from "./time";

type Document = Record<string, unknown>;

/** All that a number has: three decimals, as is usual, would make 0.0004 nothing. */
export const EXACT = { maximumFractionDigits: 20 };

/** One plain member as people want it. */
export function plain(value: unknown): ReactNode {
  if (value instanceof Date) return <RelativeTime at={value} />;
  if (typeof value === "boolean") return value ? "Yes" : "No";
  if (typeof value === "number") return value.toLocaleString(undefined, EXACT);
  if (typeof value !== "string") return undefined;
  if (value.startsWith("s3://")) return <S3Link uri={value} />;
  if (value.startsWith("arn:")) return <Arn arn={value} />;
  return value;
}

const isGroup = (value: unknown): value is object => typeof value === "object" && value !== null && !(value instanceof Date);

/** A document that is sent as a text, such as a policy or a pipeline's definition, as what it is. */
function unpacked(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    const found: unknown = JSON.parse(value);
    return isGroup(found) ? found : value;
  } catch {
    return value;
  }
}

/** What a group says, and by which members one comes to it: a group that holds nothing but another one says what that one does. */
function within(path: string[], value: object): [path: string[], value: object] {
  const [only, ...others] = Array.isArray(value) ? [] : Object.entries(value).filter(([, v]) => v !== undefined);
  return only && others.length === 0 && isGroup(only[1]) && !Array.isArray(only[1]) ? within([...path, only[0]], only[1]) : [path, value];
}

export function Sections({ of, without = [] }: { of: Document; without?: string[] }) {
  const entries = Object.entries(of).filter(([k, v]) => v !== undefined && k !== "$metadata" && !without.includes(k) && !/FailureReason$/.test(k)).map(([k, v]) => [k, unpacked(v)] as const);
  const groups = entries.flatMap(([k, v]) => (isGroup(v) && Object.keys(v).length > 0 ? [within([k], v)] : []));
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it is</Header>}>
        <Facts of={Object.fromEntries(entries.filter(([, v]) => !isGroup(v)).map(([k, v]) => [label(k), plain(v)]))} />
      </Container>
      {groups.map(([path, v]) => (
        <Container key={path[0]} header={<Header variant="h2">{path.map(label).join(" › ")}</Header>}>
          {Array.isArray(v) && !v.some(isGroup) ? <ul className="plain">{v.map((e, i) => <li key={i}>{plain(e)}</li>)}</ul> : Array.isArray(v) || Object.values(v).some(isGroup) ? <JsonView value={v} /> : <Facts of={Object.fromEntries(Object.entries(v).map(([n, e]) => [label(n), plain(e)]))} />}
        </Container>
      ))}
    </SpaceBetween>
  );
}

export interface DescribedSpec<T extends object> {
  kind: string;
  name: string;
  /** What its events name it by, where that is not what the page is called: its ARN, or another name. */
  called?: string;
  parent: { text: string; href: string };
  describe: (abort: AbortSignal) => Promise<T>;
  status?: (value: T) => string | undefined;
  /** Drawn by something else, or not at all. */
  without?: string[];
  tabs?: (value: T) => Tab[];
  /** Below what the page draws by itself, on its overview. */
  more?: (value: T) => ReactNode;
  actions?: (value: T, reload: () => void) => ReactNode;
  stop?: () => Promise<unknown>;
  remove?: () => Promise<unknown>;
  code: Snippet | ((value: T) => Snippet);
  /** Further kinds whose events change it. */
  kinds?: string[];
}

export function Described<T extends object>({ kind, name, called = name, parent, describe, status, without = [], tabs, more, actions, stop, remove, code, kinds = [] }: DescribedSpec<T>) {
  const navigate = useNavigate();
  const loaded = useLoad(describe, [kind, called], { kinds: [kind, ...kinds], ...(kinds.length === 0 && { name: called }) });
  const busy = loaded.value && status ? moving(status(loaded.value)) : false;
  return (
    <DetailPage<T>
      name={name}
      parent={parent}
      loaded={loaded}
      {...(status && { status })}
      first={(value) => <FailureReason reason={(value as { FailureReason?: string }).FailureReason} />}
      actions={(value, reload) => (
        <>
          {actions?.(value, reload)}
          {stop && busy && <Confirm label="Stop" question={`Stop ${name}?`} run={stop} said="Stopping." done={reload} />}
          {remove && (
            <Confirm label="Delete" question={`Delete ${name}?`} run={remove} said="Deleted." disabled={busy && Boolean(stop)} done={() => void navigate(parent.href)}>
              It cannot be brought back.
            </Confirm>
          )}
        </>
      )}
      tabs={(value) => [{ id: "overview", label: "Overview", content: <SpaceBetween size="l"><Sections of={value as Document} without={without} />{more?.(value)}</SpaceBetween> }, ...(tabs?.(value) ?? [])]}
      code={(value) => (typeof code === "function" ? code(value) : code)}
    />
  );
}

/** Those members of a description that its Create operation takes, where they say something. */
export function picked(value: object, members: readonly string[]): Document {
  const all = value as Document;
  return Object.fromEntries(members.map((k) => [k, all[k]]).filter(([, v]) => v !== undefined && !(isGroup(v) && Object.keys(v).length === 0)));
}
