/** A bucket, folder by folder: look into files, bring some in, take some out. */
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Icon from "@cloudscape-design/components/icon";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import SplitPanel from "@cloudscape-design/components/split-panel";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import { useEffect, useRef, useState } from "react";
import { useParams } from "react-router";

import { s3 } from "../../kit/aws/s3";
import { CodePanel } from "../../kit/code";
import { Confirm } from "../../kit/confirm";
import { Crumbs } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { useSplitPanel } from "../../kit/frame";
import { PageLink } from "../../kit/link";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { size } from "../../kit/sizes";
import { RelativeTime } from "../../kit/time";
import { unique } from "../../kit/unique";
import { useView } from "../../kit/view";
import { download, remove } from "./api";
import { Presign } from "./presign";
import { Preview } from "./preview";
import { Unfinished } from "./unfinished";
import { Uploads, type Choice } from "./uploads";

/** A row: an object, or a folder whose key ends in a slash. */
interface Entry {
  key: string;
  name: string;
  bytes?: number | undefined;
  at?: Date | undefined;
}

const PAGE = 100;

async function entries(Bucket: string, Prefix: string, within: string, token: string, abortSignal: AbortSignal) {
  const page = await s3().send(new ListObjectsV2Command({ Bucket, Prefix: Prefix + within, Delimiter: "/", MaxKeys: PAGE, ...(token && { ContinuationToken: token }) }), { abortSignal });
  const folders: Entry[] = (page.CommonPrefixes ?? []).map((p) => ({ key: p.Prefix!, name: p.Prefix!.slice(Prefix.length) }));
  const objects: Entry[] = (page.Contents ?? []).filter((o) => o.Key !== Prefix).map((o) => ({ key: o.Key!, name: o.Key!.slice(Prefix.length), bytes: o.Size, at: o.LastModified }));
  return { items: [...folders, ...objects], next: page.NextContinuationToken };
}

export default function Objects() {
  const bucket = useParams()["name"]!;
  const [read, write] = useView();
  const prefix = read("prefix");
  const within = read("q");
  const shown = read("object");
  const [trail, setTrail] = useState<string[]>([]);
  const token = trail.at(-1) ?? "";
  const loaded = useLoad((abort) => entries(bucket, prefix, within, token, abort), [bucket, prefix, within, token]);
  const [chosen, setChosen] = useState<string[]>([]);
  const [files, setFiles] = useState<Choice[]>([]);
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  useEffect(() => {
    setTrail([]);
    setChosen([]);
  }, [bucket, prefix, within]);
  useSplitPanel(
    shown ? (
      <SplitPanel header={shown.split("/").pop()!} hidePreferencesButton i18nStrings={{ closeButtonAriaLabel: "Close", openButtonAriaLabel: "Open", resizeHandleAriaLabel: "Resize" }}>
        <Preview bucket={bucket} name={shown} />
      </SplitPanel>
    ) : null,
    shown,
  );

  const add = (list: FileList | null) => {
    const next = [...(list ?? [])].map((file) => ({ id: unique(), key: prefix + file.name, file }));
    setFiles((old) => [...old, ...next]);
  };
  const [taking, setTaking] = useState(false);
  const take = async (key: string) => {
    setTaking(true);
    await download(bucket, key).catch((error: unknown) => notify.failed("Not downloaded", error));
    setTaking(false);
  };
  const folders = prefix.split("/").filter(Boolean);
  const folderHref = (depth: number) => `/data/${bucket}${depth ? `?${new URLSearchParams({ prefix: `${folders.slice(0, depth).join("/")}/` })}` : ""}`;
  const items = loaded.value?.items ?? [];
  // of the page that was asked for: the one before would lead to itself again
  const next = loaded.loading ? undefined : loaded.value?.next;
  const objects = chosen.filter((k) => !k.endsWith("/"));

  return (
    <div
      className={over ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        add(event.dataTransfer.files);
      }}
    >
      <SpaceBetween size="m">
        <Crumbs items={[{ text: "Data", href: "/data" }, { text: bucket, href: folderHref(0) }, ...folders.map((f, i) => ({ text: f, href: folderHref(i + 1) }))]} />
        {loaded.error !== undefined && <ErrorPanel error={loaded.error} retry={loaded.reload} doing="The objects cannot be listed" />}
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-label="Files to upload"
          onChange={(event) => {
            add(event.currentTarget.files);
            event.currentTarget.value = "";
          }}
        />
        <Unfinished bucket={bucket} going={files.map((f) => f.key)} choose={() => picker.current?.click()} />
        <Uploads bucket={bucket} choices={files} done={loaded.reload} forget={(id) => setFiles((old) => old.filter((f) => f.id !== id))} />
        <Table<Entry>
          variant="full-page"
          stickyHeader
          enableKeyboardNavigation
          resizableColumns
          items={items}
          trackBy="key"
          loading={loaded.loading && !loaded.value}
          loadingText="Loading"
          selectionType="multi"
          selectedItems={items.filter((i) => chosen.includes(i.key))}
          onSelectionChange={({ detail }) => setChosen(detail.selectedItems.map((i) => i.key))}
          ariaLabels={{ tableLabel: "Objects", selectionGroupLabel: "Choose objects", allItemsSelectionLabel: () => "Choose all on this page", itemSelectionLabel: (_, i) => `Choose ${i.name}` }}
          columnDefinitions={[
            {
              id: "name",
              header: "Name",
              width: 460,
              isRowHeader: true,
              cell: (i) =>
                i.key.endsWith("/") ? (
                  <PageLink className="name-link" href={`/data/${bucket}?${new URLSearchParams({ prefix: i.key })}`}><Icon name="folder" /> {i.name}</PageLink>
                ) : (
                  <PageLink className="name-link" href={`/data/${bucket}?${new URLSearchParams({ ...(prefix && { prefix }), object: i.key })}`}><Icon name="file" /> {i.name}</PageLink>
                ),
            },
            { id: "size", header: "Size", width: 130, cell: (i) => (i.key.endsWith("/") ? "–" : size(i.bytes)) },
            { id: "at", header: "Last change", width: 190, cell: (i) => <RelativeTime at={i.at} /> },
          ]}
          header={
            <Header
              variant="awsui-h1-sticky"
              description={<span className="mono">s3://{bucket}/{prefix}</span>}
              actions={
                <div className="actions">
                  <Button iconName="copy" onClick={() => void copy(chosen.length === 1 ? `s3://${bucket}/${chosen[0]}` : `s3://${bucket}/${prefix}`)}>Copy the URI</Button>
                  <Button loading={taking} disabled={objects.length !== 1 || chosen.length !== 1} onClick={() => void take(chosen[0]!)}>Download</Button>
                  <Presign bucket={bucket} name={chosen.length === 1 ? objects[0] : undefined} />
                  <Confirm label="Delete" question={`Delete ${chosen.length === 1 ? chosen[0] : `${chosen.length} entries`}?`} disabled={chosen.length === 0} {...(chosen.some((k) => k.endsWith("/")) && { type: "delete" })} run={() => remove(bucket, chosen)} said="Deleted." done={() => {
                    setChosen([]);
                    loaded.reload();
                  }}>
                    {chosen.length > 1 && <Box>{chosen.slice(0, 8).map((k) => k.slice(prefix.length)).join(", ")}{chosen.length > 8 ? ` and ${chosen.length - 8} more` : ""}.</Box>}
                    {chosen.some((k) => k.endsWith("/")) ? "Folders go with everything in them. It cannot be brought back." : "It cannot be brought back."}
                  </Confirm>
                  <Button iconName="refresh" ariaLabel="Load anew" onClick={loaded.reload} />
                  <Button variant="primary" iconName="upload" onClick={() => picker.current?.click()}>Upload</Button>
                </div>
              }
            >
              {folders.at(-1) ?? bucket}
            </Header>
          }
          filter={<TextFilter filteringText={within} onChange={({ detail }) => write({ q: detail.filteringText, object: undefined })} filteringPlaceholder="Find by the beginning of the name" filteringAriaLabel="Find by the beginning of the name" />}
          pagination={
            <Pagination
              currentPageIndex={trail.length + 1}
              pagesCount={trail.length + (next ? 2 : 1)}
              openEnd={Boolean(next)}
              ariaLabels={{ nextPageLabel: "Next page", previousPageLabel: "Previous page", pageLabel: (n) => `Page ${n}` }}
              onChange={({ detail }) => setTrail((t) => (detail.currentPageIndex <= t.length + 1 ? t.slice(0, detail.currentPageIndex - 1) : next ? [...t, next] : t))}
            />
          }
          empty={
            <Box textAlign="center" padding="xl">
              <SpaceBetween size="xs">
                <Box variant="strong">{within ? "Nothing begins so" : "There is nothing here yet"}</Box>
                <Box color="text-body-secondary">Drop files anywhere on this page, or choose Upload. From a shell: <span className="mono">aws s3 cp train.csv s3://{bucket}/{prefix}</span></Box>
              </SpaceBetween>
            </Box>
          }
        />
        <CodePanel snippet={{ calls: [{ service: "s3", operation: "ListObjectsV2", input: { Bucket: bucket, ...(prefix && { Prefix: prefix }), Delimiter: "/" } }] }} />
      </SpaceBetween>
    </div>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notify.done(`Copied ${text}`);
  } catch {
    // a plain address of the local network is no secure context, and has no clipboard
    notify.done(`The browser lets nothing be copied here. It is ${text}`);
  }
}
