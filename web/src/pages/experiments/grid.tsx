/** Runs as rows, parameters and metrics as columns; only the cells in view are in the page, so thousands scroll as ten do. */
import { useRef, useState } from "react";

import { colours, short } from "../../kit/chart";
import { useMode } from "../../kit/mode";
import { RelativeTime } from "../../kit/time";
import type { Run } from "./api";

const ROW = 34;
const COLUMN = 130;
const FIRST = 300;
const WHEN = 130;
const VIEW = 480;
/** Rows and columns beyond the view that are kept ready. */
const SPARE = 6;

export interface GridProps {
  rows: Run[];
  columns: string[];
  sort: string;
  descending: boolean;
  baseline: string;
  drawn: string[];
  order: (by: string) => void;
  pin: (run: string) => void;
  draw: (run: string) => void;
}

export function Grid({ rows, columns, sort, descending, baseline, drawn, order, pin, draw }: GridProps) {
  const [dark] = useMode();
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState({ top: 0, left: 0, width: 1200 });
  const first = Math.max(0, Math.floor(at.top / ROW) - SPARE);
  const last = Math.min(rows.length, Math.ceil((at.top + VIEW) / ROW) + SPARE);
  const from = Math.max(0, Math.floor((at.left - WHEN) / COLUMN) - SPARE);
  const to = Math.min(columns.length, Math.ceil((at.left + at.width) / COLUMN) + SPARE);
  const width = FIRST + WHEN + columns.length * COLUMN;
  const base = rows.find((r) => r.name === baseline);
  const shownNames = rows.filter((r) => drawn.includes(r.name)).map((r) => r.title);
  const ink = new Map(colours(shownNames, dark).map((c, i) => [shownNames[i]!, c]));
  const arrow = (id: string) => (sort === id ? (descending ? " ↓" : " ↑") : "");
  const order_ = (id: string) => (sort === id ? (descending ? "descending" : "ascending") : "none");
  return (
    <div
      ref={box}
      className="runs"
      role="table"
      aria-label="Runs"
      aria-rowcount={rows.length + 1}
      aria-colcount={columns.length + 2}
      tabIndex={0}
      style={{ height: Math.min(VIEW, (rows.length + 1) * ROW + 18) }}
      onScroll={(e) => setAt({ top: e.currentTarget.scrollTop, left: e.currentTarget.scrollLeft, width: e.currentTarget.clientWidth })}
    >
      <div role="rowgroup" className="runs-head" style={{ width }}>
        <div role="row" aria-rowindex={1}>
          <span role="columnheader" aria-sort={order_("name")} className="runs-first" style={{ width: FIRST }}>
            <button type="button" onClick={() => order("name")}>Run{arrow("name")}</button>
          </span>
          <span role="columnheader" aria-sort={order_("at")} style={{ left: FIRST, width: WHEN }}>
            <button type="button" onClick={() => order("at")}>Started{arrow("at")}</button>
          </span>
          {columns.slice(from, to).map((c, i) => (
            <span key={c} role="columnheader" aria-colindex={from + i + 3} aria-sort={order_(c)} style={{ left: FIRST + WHEN + (from + i) * COLUMN, width: COLUMN }}>
              <button type="button" title={`${c.slice(2)}: ${c[0] === "m" ? "metric" : "parameter"}`} onClick={() => order(c)}>
                <i className={c[0] === "m" ? "of-metric" : "of-parameter"}>{c[0] === "m" ? "metric" : "param"}</i> {c.slice(2)}{arrow(c)}
              </button>
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" style={{ height: rows.length * ROW, width, position: "relative" }}>
        {rows.slice(first, last).map((run, i) => (
          <div key={run.name} role="row" aria-rowindex={first + i + 2} className={run.name === baseline ? "runs-row runs-base" : "runs-row"} style={{ top: (first + i) * ROW }}>
            <span role="rowheader" className="runs-first" style={{ width: FIRST }}>
              <button type="button" className="eye" aria-pressed={drawn.includes(run.name)} aria-label={`Draw ${run.title}`} onClick={() => draw(run.name)}>
                <i style={{ background: ink.get(run.title) ?? "transparent" }} />
              </button>
              <button type="button" className="pin" aria-pressed={run.name === baseline} aria-label={`Compare with ${run.title}`} onClick={() => pin(run.name)}>⚑</button>
              <span className="runs-name" title={run.name}>{run.title}</span>
            </span>
            <span role="cell" style={{ left: FIRST, width: WHEN }}><RelativeTime at={run.at} /></span>
            {columns.slice(from, to).map((c, j) => (
              <span key={c} role="cell" aria-colindex={from + j + 3} style={{ left: FIRST + WHEN + (from + j) * COLUMN, width: COLUMN }}>
                <Cell value={run.cells[c]} base={base && base !== run ? base.cells[c] : undefined} />
              </span>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

/** A value, and how far it is from the baseline's. */
function Cell({ value, base }: { value: number | string | undefined; base: number | string | undefined }) {
  if (value === undefined) return <span className="dim">–</span>;
  if (typeof value === "string") return <>{value}</>;
  const far = typeof base === "number" && base !== value ? (base === 0 ? value : (100 * (value - base)) / Math.abs(base)) : undefined;
  return (
    <>
      {short(value)}
      {far !== undefined && <small className="dim"> {far > 0 ? "+" : "−"}{short(Number(Math.abs(far).toPrecision(2)))}{base === 0 ? "" : " %"}</small>}
    </>
  );
}
