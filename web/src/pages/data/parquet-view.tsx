/** A Parquet file: its rows, page by page, and what each of its columns holds. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Pagination from "@cloudscape-design/components/pagination";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { Facts } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { size } from "../../kit/sizes";
import { Waiting } from "../../kit/waiting";
import { Grid } from "./grid";
import { affordable, ENOUGH, open, rows, type Opened } from "./parquet";

const PAGE = 50;

export default function Parquet({ bucket, name, bytes }: { bucket: string; name: string; bytes: number }) {
  const { value, error, reload } = useLoad(() => open(bucket, name, bytes), [bucket, name, bytes]);
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="It cannot be read as Parquet" />;
  if (!value) return <Waiting />;
  return <Shown key={`${bucket}/${name}`} of={value} bytes={bytes} />;
}

function Shown({ of, bytes }: { of: Opened; bytes: number }) {
  const [view, setView] = useState("rows");
  return (
    <SpaceBetween size="m">
      <Facts columns={4} of={{ Rows: of.rows.toLocaleString(), Columns: of.columns.length, "Row groups": of.about.row_groups.length.toLocaleString(), "Written by": of.about.created_by }} />
      <SegmentedControl label="What to show" selectedId={view} options={[{ id: "rows", text: "Rows" }, { id: "columns", text: "Columns" }]} onChange={({ detail }) => setView(detail.selectedId)} />
      {view === "rows" ? (
        <Rows of={of} bytes={bytes} />
      ) : (
        <Grid label="Columns" head={["name", "type", "least", "most", "nulls", "compressed", "bytes"]} rows={of.columns.map((c) => [c.name, c.type, c.least, c.most, c.nulls, c.codec, size(c.bytes)])} />
      )}
    </SpaceBetween>
  );
}

function Rows({ of, bytes }: { of: Opened; bytes: number }) {
  const [page, setPage] = useState(1);
  const [most, setMost] = useState(ENOUGH);
  const from = (page - 1) * PAGE;
  const to = Math.min(of.rows, from + PAGE);
  const columns = affordable(of, from, to, most);
  const { value, error, reload, loading } = useLoad(async () => ({ from, columns, rows: await rows(of, columns, from, to) }), [from, to, columns]);
  if (of.rows === 0) return <Box color="text-body-secondary">It has columns and no rows.</Box>;
  return (
    <SpaceBetween size="s">
      {error !== undefined && <ErrorPanel error={error} retry={reload} doing="The rows cannot be read" />}
      {columns.length < of.columns.length && (
        <div className="choices">
          <span>{columns.length} of {of.columns.length} columns: the others would mean reading more than {size(most)} for these rows.</span>
          <Button onClick={() => setMost(Infinity)}>Read them all</Button>
        </div>
      )}
      {value ? <Grid head={value.columns} rows={value.rows} first={value.from + 1} /> : error === undefined && <Waiting />}
      <div className="choices">
        {of.rows > PAGE && <Pagination currentPageIndex={page} pagesCount={Math.ceil(of.rows / PAGE)} disabled={loading} onChange={({ detail }) => setPage(detail.currentPageIndex)} ariaLabels={{ nextPageLabel: "Next rows", previousPageLabel: "Previous rows", pageLabel: (n) => `Rows, page ${n}` }} />}
        <Box color="text-body-secondary">Rows {from + 1} to {to}{value && !loading && `; ${size(Math.min(of.read(), bytes))} of ${size(bytes)} were read`}.</Box>
      </div>
    </SpaceBetween>
  );
}
