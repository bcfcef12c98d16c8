/**
 * A list of resources that the server filters, sorts and pages: ten or ten million, a page is a page. Filter, order, page and
 * selection stand in the address; columns are a person's own and stay in this browser.
 */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import CollectionPreferences from "@cloudscape-design/components/collection-preferences";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import SplitPanel from "@cloudscape-design/components/split-panel";
import Table from "@cloudscape-design/components/table";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useNavigate } from "react-router";

import { Code, CodePanel, type Snippet } from "./code";
import { ErrorPanel } from "./errors";
import { useSplitPanel } from "./frame";
import { PageLink } from "./link";
import { useLoad } from "./load";
import { NameFilter } from "./name-filter";
import { words } from "./status";
import { stored, type Stored } from "./stored";
import { useView } from "./view";

/** What a list is asked for; its members are those of List operations, so that `input` is theirs as it stands. */
export interface Query<Sort extends string, Of extends string> {
  NameContains?: string;
  StatusEquals?: Of;
  SortBy?: Sort;
  SortOrder?: "Ascending" | "Descending";
  MaxResults?: number;
  NextToken?: string;
}

export interface Column<T, Sort extends string> {
  id: string;
  header: string;
  cell: (item: T) => ReactNode;
  /** The server's name of the order, where it has one. */
  sort?: Sort;
  width?: number;
  /** Not shown until somebody asks for it. */
  hidden?: boolean;
}

export interface TableSpec<T, Sort extends string = never, Of extends string = never> {
  /** The kinds of events after which the list is loaded anew. */
  kinds: string[];
  title: string;
  /** "training job" */
  noun: string;
  description?: ReactNode;
  list: (query: Query<Sort, Of>, abort: AbortSignal) => Promise<{ items: T[] | undefined; next: string | undefined }>;
  id: (item: T) => string;
  href?: (item: T) => string;
  columns: Column<T, Sort>[];
  statuses?: readonly Of[];
  sort?: Sort;
  filter?: boolean;
  create?: { label: string; href: string };
  /** What makes one without a page of its own; takes the place of `create`. */
  primary?: ReactNode;
  actions?: (chosen: T[], done: () => void) => ReactNode;
  panel?: (item: T) => ReactNode;
  /** For whoever has none yet: what it is for, and the shortest code that makes one. */
  teach: { text: string; code: string };
  code?: (query: Query<Sort, Of>) => Snippet;
}

const preferences = new Map<string, Stored>();
const preferred = (name: string) => {
  if (!preferences.has(name)) preferences.set(name, stored(`table.${name}`, "{}"));
  return preferences.get(name)!;
};

interface Preferences {
  size?: number;
  columns?: { id: string; visible: boolean }[];
  wrap?: boolean;
}

export function ResourceTable<T, Sort extends string = never, Of extends string = never>(spec: TableSpec<T, Sort, Of>) {
  const navigate = useNavigate();
  const [read, write] = useView();
  const kept = preferred(spec.title);
  const own = JSON.parse(kept.use()) as Preferences;
  const size = own.size ?? 25;

  const q = read("q");
  const status = read("status") as Of | "";
  const sort = (read("sort") || spec.sort || "") as Sort | "";
  const order = read("order", "Descending") as "Ascending" | "Descending";
  const page = Number(read("page", "1"));
  const query: Query<Sort, Of> = {
    ...(q && { NameContains: q }),
    ...(status && { StatusEquals: status }),
    ...(sort && { SortBy: sort, SortOrder: order }),
    MaxResults: size,
  };
  const same = JSON.stringify(query);
  const tokens = useRef<{ of: string; list: (string | undefined)[] }>({ of: "", list: [] });
  const token = page > 1 ? read("token") : "";
  const loaded = useLoad(
    (abort) => spec.list({ ...query, ...(token && { NextToken: token }) }, abort),
    [same, token],
    { kinds: spec.kinds },
  );
  const items = loaded.value?.items ?? [];
  // that of the page which is shown, once it is the one that was asked for: no other page's token leads on from here
  const next = loaded.loading ? undefined : loaded.value?.next;
  useEffect(() => {
    if (tokens.current.of !== same) tokens.current = { of: same, list: [] };
    tokens.current.list[page] = token || undefined;
    if (next) tokens.current.list[page + 1] = next;
  }, [same, page, token, next]);

  const chosen = read("selected").split(",").filter(Boolean);
  const selected = items.filter((i) => chosen.includes(spec.id(i)));
  const only = selected.length === 1 ? selected[0] : undefined;
  useSplitPanel(
    only && spec.panel ? (
      <SplitPanel header={spec.id(only)} hidePreferencesButton i18nStrings={{ closeButtonAriaLabel: "Close", openButtonAriaLabel: "Open", resizeHandleAriaLabel: "Resize" }}>
        {spec.panel(only)}
      </SplitPanel>
    ) : null,
    only && spec.panel ? spec.id(only) : "",
    only,
  );

  const goTo = (wanted: number) => {
    const at = tokens.current.list[wanted];
    write(wanted <= 1 || (wanted > 1 && !at) ? { page: undefined, token: undefined } : { page: String(wanted), token: at });
  };
  // a page may have lost its last row, too: then there are others before it
  const filtered = Boolean(q || status || page > 1);
  const [showCode, setShowCode] = useState(false);

  return (
    <SpaceBetween size="m">
      {loaded.error !== undefined && <ErrorPanel error={loaded.error} retry={loaded.reload} doing={`The ${spec.title.toLowerCase()} cannot be listed`} />}
      <Table<T>
        variant="full-page"
        stickyHeader
        resizableColumns
        enableKeyboardNavigation
        items={items}
        trackBy={spec.id}
        loading={loaded.loading && loaded.value === undefined}
        loadingText="Loading"
        wrapLines={own.wrap ?? false}
        columnDefinitions={spec.columns.map((c) => ({
          id: c.id,
          header: c.header,
          cell: c.cell,
          minWidth: 100,
          ...(c.width && { width: c.width }),
          ...(c.sort && { sortingField: c.sort }),
          ...(c === spec.columns[0] && { isRowHeader: true }),
        }))}
        columnDisplay={own.columns ?? spec.columns.map((c) => ({ id: c.id, visible: !c.hidden }))}
        {...(sort && { sortingColumn: { sortingField: sort } })}
        sortingDescending={order === "Descending"}
        onSortingChange={({ detail }) =>
          write({ sort: detail.sortingColumn.sortingField, order: detail.isDescending ? "Descending" : "Ascending", page: undefined, token: undefined })
        }
        selectionType="multi"
        selectedItems={selected}
        onSelectionChange={({ detail }) => write({ selected: detail.selectedItems.map(spec.id).join(",") })}
        onRowClick={({ detail }) => write({ selected: spec.id(detail.item) })}
        ariaLabels={{
          tableLabel: spec.title,
          selectionGroupLabel: `Choose ${spec.title.toLowerCase()}`,
          allItemsSelectionLabel: () => "Choose all on this page",
          itemSelectionLabel: (_, item) => `Choose ${spec.id(item)}`,
        }}
        header={
          <Header
            variant="awsui-h1-sticky"
            {...(spec.description ? { description: spec.description } : {})}
            actions={
              <div className="actions">
                {spec.actions?.(selected, () => {
                  write({ selected: undefined });
                  loaded.reload();
                })}
                {spec.code && <Button iconName="script" variant="normal" ariaLabel="Same in code" ariaExpanded={showCode} onClick={() => setShowCode(!showCode)} />}
                <Button iconName="refresh" ariaLabel="Load anew" loading={loaded.loading && loaded.value !== undefined} onClick={loaded.reload} />
                {spec.primary}
                {spec.create && (
                  <Button variant="primary" href={spec.create.href} onFollow={follow(navigate, spec.create.href)}>
                    {spec.create.label}
                  </Button>
                )}
              </div>
            }
          >
            {spec.title}
          </Header>
        }
        filter={
          spec.filter === false ? undefined : (
            <div className="filters">
              <div className="filters-text">
                <NameFilter value={q} busy={loaded.loading} label={`Find ${spec.title.toLowerCase()} by name`} ask={(text) => write({ q: text, page: undefined, token: undefined, selected: undefined })} />
              </div>
              {spec.statuses && (
                <Select
                  ariaLabel="Status"
                  selectedOption={{ value: status, label: status ? words(status) : "Any status" }}
                  options={[{ value: "", label: "Any status" }, ...spec.statuses.map((s) => ({ value: s, label: words(s) }))]}
                  onChange={({ detail }) => write({ status: detail.selectedOption.value, page: undefined, token: undefined })}
                />
              )}
            </div>
          )
        }
        pagination={
          <Pagination
            currentPageIndex={page}
            pagesCount={next ? page + 1 : page}
            openEnd={Boolean(next)}
            onChange={({ detail }) => goTo(detail.currentPageIndex)}
            ariaLabels={{ nextPageLabel: "Next page", previousPageLabel: "Previous page", pageLabel: (n) => `Page ${n}` }}
          />
        }
        preferences={
          <CollectionPreferences
            title="What this table shows"
            confirmLabel="Keep"
            cancelLabel="Cancel"
            preferences={{ pageSize: size, wrapLines: own.wrap ?? false, contentDisplay: own.columns ?? spec.columns.map((c) => ({ id: c.id, visible: !c.hidden })) }}
            pageSizePreference={{ title: "Rows on a page", options: [25, 50, 100].map((n) => ({ value: n, label: `${n}` })) }}
            wrapLinesPreference={{ label: "Wrap lines", description: "Show long texts whole" }}
            contentDisplayPreference={{ title: "Columns", options: spec.columns.map((c, i) => ({ id: c.id, label: c.header, alwaysVisible: i === 0 })) }}
            onConfirm={({ detail }) => {
              kept.set(JSON.stringify({ size: detail.pageSize, wrap: detail.wrapLines, columns: detail.contentDisplay }));
              write({ page: undefined, token: undefined });
            }}
          />
        }
        empty={filtered ? <Nothing clear={() => write({ q: undefined, status: undefined, page: undefined, token: undefined })} /> : loaded.error ? null : <Teach {...spec} />}
      />
      {showCode && spec.code && <CodePanel snippet={spec.code(query)} />}
    </SpaceBetween>
  );
}

/** An anchor that can be opened in a new tab, and that the router follows otherwise. */
export function follow(navigate: (href: string) => unknown, href: string) {
  return (event: { preventDefault: () => void; detail: { href?: string | undefined } }) => {
    event.preventDefault();
    void navigate(href);
  };
}

export function NameLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <PageLink className="name-link" href={href} onClick={(e) => e.stopPropagation()}>
      {children}
    </PageLink>
  );
}

function Nothing({ clear }: { clear: () => void }) {
  return (
    <Box textAlign="center" padding="l">
      <SpaceBetween size="s">
        <Box variant="strong">Nothing matches</Box>
        <Button onClick={clear}>Show everything</Button>
      </SpaceBetween>
    </Box>
  );
}

function Teach({ teach, noun, create }: Pick<TableSpec<unknown>, "teach" | "noun" | "create">) {
  const navigate = useNavigate();
  return (
    <div className="teach">
      <SpaceBetween size="s">
        <Box variant="h3">There is no {noun} yet</Box>
        <Box color="text-body-secondary">{teach.text}</Box>
        {create && (
          <Button href={create.href} onFollow={follow(navigate, create.href)}>
            {create.label}
          </Button>
        )}
        <Code text={teach.code} />
      </SpaceBetween>
    </div>
  );
}
