/** Runs as rows, parameters and metrics as columns; only the cells in view are in the page, so thousands scroll as ten do. */
import { memo, useCallback, useLayoutEffect, useRef, useState } from "react";
import { Link } from "react-router";

import { arnHref } from "../../kit/arn";
import { RelativeTime } from "../../kit/time";
import type { Run } from "./api";
import { Cell, kindOf } from "./cell";
import type { Chosen } from "./chosen";

const ROW = 34;
const COLUMN = 130;
const FIRST = 300;
const WHEN = 130;
const VIEW = 480;
/** Rows are brought in and taken out by so many at a time, and so many beyond the view are kept ready. */
const STEP = 6;
/** Columns likewise: few, since each of them is a cell in every row. */
const BLOCK = 3;

export interface GridProps {
  /** Those that have come; there are `total`. */
  rows: Run[];
  total: number;
  columns: string[];
  /** Whether the runs are of several experiments, which are then named. */
  several: boolean;
  sort: string;
  descending: boolean;
  baseline: Run | undefined;
  chosen: Chosen;
  /** So many rows are looked at. */
  need: (rows: number) => void;
  order: (by: string) => void;
  pin: (run: string) => void;
  draw: (run: string) => void;
}

interface Window {
  first: number;
  last: number;
  from: number;
  to: number;
}

const down = (n: number, step = STEP) => Math.max(0, (Math.floor(n / step) - 1) * step);
const up = (n: number, step = STEP) => (Math.ceil(n / step) + 1) * step;

function windowOf(box: { scrollTop: number; scrollLeft: number; clientWidth: number }): Window {
  return {
    first: down(box.scrollTop / ROW),
    last: up((box.scrollTop + VIEW) / ROW),
    from: down((box.scrollLeft - WHEN) / COLUMN, BLOCK),
    to: up((box.scrollLeft + box.clientWidth - FIRST - WHEN) / COLUMN, BLOCK),
  };
}

export function Grid(props: GridProps) {
  const { rows, total, columns, several, sort, descending, baseline, chosen, need, order, pin, draw } = props;
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<Window>({ first: 0, last: up(VIEW / ROW), from: 0, to: up(8, BLOCK) });
  const look = useCallback(() => {
    if (!box.current) return;
    const next = windowOf(box.current);
    setAt((old) => (old.first === next.first && old.last === next.last && old.from === next.from && old.to === next.to ? old : next));
    need(next.last);
  }, [need]);
  useLayoutEffect(() => {
    const seen = new ResizeObserver(look);
    seen.observe(box.current!);
    return () => seen.disconnect();
  }, [look]);
  const { from } = at;
  const to = Math.min(at.to, columns.length);
  const width = FIRST + WHEN + columns.length * COLUMN;
  const arrow = (id: string) => (sort === id ? (descending ? " ↓" : " ↑") : "");
  const direction = (id: string) => (sort === id ? (descending ? "descending" : "ascending") : "none");
  const above = baseline ? 2 : 1;
  const line = (run: Run, index: number, top: number) => (
    <Row key={`${index} ${run.name}`} run={run} index={index} top={top} columns={columns} from={from} to={to} several={several} base={baseline} ink={chosen.ink(run.name)} draw={draw} pin={pin} />
  );
  return (
    <div
      ref={box}
      className="runs"
      role="table"
      aria-label="Runs"
      aria-rowcount={total + above}
      aria-colcount={columns.length + 2}
      tabIndex={0}
      style={{ height: Math.min(VIEW, (total + above) * ROW + 18) }}
      onScroll={look}
    >
      <div role="rowgroup" className="runs-head" style={{ width, height: above * ROW }}>
        <div role="row" aria-rowindex={1}>
          <span role="columnheader" aria-sort={direction("name")} className="runs-first" style={{ width: FIRST }}>
            <button type="button" onClick={() => order("name")}>Run{arrow("name")}</button>
          </span>
          <span role="columnheader" aria-sort={direction("at")} style={{ left: FIRST, width: WHEN }}>
            <button type="button" onClick={() => order("at")}>Created{arrow("at")}</button>
          </span>
          {columns.slice(from, to).map((c, i) => (
            <span key={c} role="columnheader" aria-colindex={from + i + 3} aria-sort={direction(c)} style={{ left: FIRST + WHEN + (from + i) * COLUMN, width: COLUMN }}>
              <button type="button" title={`${c.slice(2)}: ${kindOf(c)}`} onClick={() => order(c)}>
                <i className={c[0] === "m" ? "of-metric" : "of-parameter"}>{c[0] === "m" ? "metric" : "param"}</i> {c.slice(2)}{arrow(c)}
              </button>
            </span>
          ))}
        </div>
        {baseline && line(baseline, 2, ROW)}
      </div>
      <div role="rowgroup" style={{ height: total * ROW, width, position: "relative" }}>
        {rows.slice(at.first, at.last).map((run, i) => line(run, at.first + i + above + 1, (at.first + i) * ROW))}
        {rows.length < Math.min(at.last, total) && (
          <div role="row" aria-rowindex={rows.length + above + 1} className="runs-coming" style={{ top: Math.max(rows.length, at.first) * ROW, height: (Math.min(at.last, total) - Math.max(rows.length, at.first)) * ROW }}>
            <span role="cell">{rows.length.toLocaleString()} of {total.toLocaleString()} runs have come …</span>
          </div>
        )}
      </div>
    </div>
  );
}

interface RowProps {
  run: Run;
  index: number;
  top: number;
  columns: string[];
  from: number;
  to: number;
  several: boolean;
  base: Run | undefined;
  ink: string | undefined;
  draw: (run: string) => void;
  pin: (run: string) => void;
}

/** Drawn again only when something of it changes, which while scrolling down is never. */
const Row = memo(function Row({ run, index, top, columns, from, to, several, base, ink, draw, pin }: RowProps) {
  const pinned = base?.name === run.name;
  const blocks = Array.from({ length: Math.ceil((to - from) / BLOCK) }, (_, i) => from + i * BLOCK);
  return (
    <div role="row" aria-rowindex={index} className={pinned ? "runs-row runs-base" : "runs-row"} style={{ top }}>
      <Lead run={run} several={several} pinned={pinned} ink={ink} draw={draw} pin={pin} />
      {blocks.map((first) => <Block key={first} run={run} columns={columns} first={first} base={pinned ? undefined : base} />)}
    </div>
  );
});

/** The cells that every row begins with. */
const Lead = memo(function Lead({ run, several, pinned, ink, draw, pin }: Pick<RowProps, "run" | "several" | "ink" | "draw" | "pin"> & { pinned: boolean }) {
  const page = run.source ? arnHref(run.source) : undefined;
  return (
    <>
      <span role="rowheader" className="runs-first" style={{ width: FIRST }}>
        <button type="button" className="eye" aria-pressed={ink !== undefined} aria-label={`Draw ${run.title}`} onClick={() => draw(run.name)}>
          <i style={{ background: ink ?? "transparent" }} />
        </button>
        <button type="button" className="pin" aria-pressed={pinned} aria-label={`Compare with ${run.title}`} onClick={() => pin(run.name)}>⚑</button>
        {page ? <Link className="runs-name text-link" to={page} title={run.name}>{run.title}</Link> : <span className="runs-name" title={run.name}>{run.title}</span>}
        {several && <small className="dim runs-of">{run.experiments.join(", ")}</small>}
      </span>
      <span role="cell" style={{ left: FIRST, width: WHEN }}><RelativeTime at={run.at} /></span>
    </>
  );
});

/** Some cells of a row side by side. While scrolling across, those that stay are not looked at again. */
const Block = memo(function Block({ run, columns, first, base }: { run: Run; columns: string[]; first: number; base: Run | undefined }) {
  return columns.slice(first, first + BLOCK).map((c, i) => (
    <span key={c} role="cell" aria-colindex={first + i + 3} style={{ left: FIRST + WHEN + (first + i) * COLUMN, width: COLUMN }}>
      <Cell value={run.cell(c)} base={base?.cell(c)} />
    </span>
  ));
});
