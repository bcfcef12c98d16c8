/** One resource: what it is called and how it is doing, what can be done with it, and its matters in tabs. */
import BreadcrumbGroup from "@cloudscape-design/components/breadcrumb-group";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tabs from "@cloudscape-design/components/tabs";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import type { ReactNode } from "react";
import { useNavigate } from "react-router";

import { CodePanel, type Snippet } from "./code";
import { ErrorPanel } from "./errors";
import { JsonView } from "./json";
import type { Loaded } from "./load";
import { Status } from "./status";
import { useView } from "./view";
import { Waiting } from "./waiting";

export interface Tab {
  id: string;
  label: string;
  content: ReactNode;
}

export interface DetailSpec<T extends object> {
  name: string;
  /** Where it is listed. */
  parent: { text: string; href: string };
  loaded: Loaded<T>;
  status?: (value: T) => string | undefined;
  /** Above the tabs: what must be seen first, such as the cause of a failure. */
  first?: (value: T) => ReactNode;
  actions?: (value: T, reload: () => void) => ReactNode;
  tabs: (value: T) => Tab[];
  code: (value: T) => Snippet;
}

export function Crumbs({ items }: { items: { text: string; href: string }[] }) {
  const navigate = useNavigate();
  return (
    <BreadcrumbGroup
      ariaLabel="Where this is"
      items={items}
      onFollow={(event) => {
        event.preventDefault();
        void navigate(event.detail.href);
      }}
    />
  );
}

export function DetailPage<T extends object>({ name, parent, loaded, status, first, actions, tabs, code }: DetailSpec<T>) {
  const [read, write] = useView();
  const { error, reload } = loaded;
  // never one thing's state under another one's name
  const value = loaded.loading ? undefined : loaded.value;
  const shown = value && [
    ...tabs(value),
    { id: "code", label: "Code", content: <CodePanel snippet={code(value)} /> },
    { id: "document", label: "Document", content: <JsonView value={value} /> },
  ];
  return (
    <SpaceBetween size="l">
      <Crumbs items={[parent, { text: name, href: "#" }]} />
      <Header variant="h1" actions={value && <div className="actions">{actions?.(value, reload)}</div>}>
        <span className="detail-name">{name}</span> {value && status && <span className="detail-status"><Status value={status(value)} /></span>}
      </Header>
      {error !== undefined && <ErrorPanel error={error} retry={reload} />}
      {value === undefined && error === undefined && <Waiting size="large" />}
      {value && first?.(value)}
      {shown && <Tabs ariaLabel={`Of ${name}`} tabs={shown} activeTabId={read("tab") || shown[0]!.id} onChange={({ detail }) => write({ tab: detail.activeTabId === shown[0]!.id ? undefined : detail.activeTabId })} />}
    </SpaceBetween>
  );
}

/** Facts side by side; those without a value are left out. */
export function Facts({ of, columns = 4 }: { of: Record<string, ReactNode>; columns?: number }) {
  const items = Object.entries(of).filter(([, v]) => v !== undefined && v !== null && v !== "").map(([label, value]) => ({ label, value }));
  return <KeyValuePairs columns={columns} items={items} minColumnWidth={160} />;
}

/** Text that people copy: a URI, an ARN. */
export function Copied({ text, what = "it" }: { text: string | undefined; what?: string }) {
  if (!text) return <>–</>;
  return <CopyToClipboard variant="inline" textToCopy={text} copyButtonAriaLabel={`Copy ${what}`} copySuccessText="Copied" copyErrorText="Not copied" />;
}
