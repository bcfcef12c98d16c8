/** Lines over time or steps, drawn on a canvas: a hundred thousand points are as quick as ten. The same name has the same colour everywhere. */
import "uplot/dist/uPlot.min.css";

import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";

import { useMode } from "./mode";

export interface Series {
  name: string;
  /** (x, y) in rising order of x; x is epoch milliseconds when `time`. */
  points: readonly (readonly [number, number])[];
  dashed?: boolean;
  /** Points by themselves, or a line that stays level until the next one; a line from point to point otherwise. */
  shape?: "dots" | "steps";
  /** Where its colour is given by something else than its name. */
  ink?: string;
}

/** The palette's colour for a place that somebody holds. */
export const colourAt = (at: number, dark: boolean) => (dark ? DARK : LIGHT)[at % LIGHT.length]!;

const LIGHT = ["#1f6f4a", "#a04a12", "#2b5fa8", "#8a2f7d", "#7a6200", "#b3261e", "#1a7a86", "#5a4bb0"];
const DARK = ["#7fd0a0", "#f0a268", "#86b6f5", "#e394d8", "#dcc25a", "#ff9b94", "#6fd0dc", "#b0a4f5"];

/** A name's place in the palette: by its letters, so that it never depends on what else is shown. */
function place(name: string): number {
  let h = 2166136261;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 16777619);
  return Math.abs(h) % LIGHT.length;
}

export function colours(names: readonly string[], dark: boolean): string[] {
  const palette = dark ? DARK : LIGHT;
  const taken = new Set<number>();
  return names.map((name) => {
    let at = place(name);
    for (let i = 0; taken.has(at) && i < palette.length; i++) at = (at + 1) % palette.length;
    taken.add(at);
    return palette[at]!;
  });
}

/** Made once: `toLocaleString` makes one for every number, which takes a tenth of a millisecond. */
const digits = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 5 });

/** A number in few characters. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return digits.format(value);
}

/** The points of all series over the union of their places. */
function aligned(series: readonly Series[], time: boolean): uPlot.AlignedData {
  const xs = [...new Set(series.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b);
  const at = new Map(xs.map((x, i) => [x, i]));
  const rows = series.map((s) => {
    const row = new Array<number | null>(xs.length).fill(null);
    for (const [x, y] of s.points) row[at.get(x)!] = y;
    return row;
  });
  return [time ? xs.map((x) => x / 1000) : xs, ...rows] as uPlot.AlignedData;
}

const alone = ({ points }: Series) => points.length === 1;

/** Distances between the marks of an axis of steps: there is no step 2.5. */
const WHOLE = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat();

export interface ChartProps {
  title: string;
  series: readonly Series[];
  time?: boolean;
  height?: number;
  unit?: string;
  /** Charts of one key show the same moment under the pointer. */
  together?: string;
  none?: string;
}

export function Chart({ title, series, time = true, height = 200, unit = "", together, none = "Nothing was measured yet." }: ChartProps) {
  const [dark] = useMode();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [at, setAt] = useState<number | null>(null);
  const shown = series.filter((s) => s.points.length > 0);
  const names = shown.map((s) => s.name);
  const ink = colours(names, dark).map((own, i) => shown[i]!.ink ?? own);
  const data = aligned(shown, time);
  const whole = !time && data[0].every((x) => Number.isInteger(x));
  const shape = JSON.stringify([names, ink, shown.map((s) => [s.shape, alone(s)]), [...hidden], dark, time, height, unit, whole]);
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const host = box.current;
    if (!host || names.length === 0) return undefined;
    const text = dark ? "#a3b1a9" : "#55615a";
    const grid = { stroke: dark ? "#22302a" : "#e6ece8", width: 1 };
    const options: uPlot.Options = {
      width: Math.max(host.clientWidth, 100),
      height,
      // a single point stands in the middle, and not at the beginning of years
      scales: { x: { time, range: (u, low, high) => (u.data[0].length === 1 ? [low - (time ? 30 : 1), low + (time ? 30 : 1)] : [low, high]) } },
      legend: { show: false },
      cursor: { points: { size: 7 }, drag: { x: true, y: false }, ...(together && { sync: { key: together } }) },
      axes: [
        { stroke: text, grid, ticks: grid, font: "11px Inter Variable, sans-serif", ...(whole && { incrs: WHOLE }) },
        { stroke: text, grid, ticks: grid, font: "11px Inter Variable, sans-serif", size: 64, values: (_, ticks) => ticks.map((t) => `${short(t)}${unit}`) },
      ],
      series: [
        {},
        ...names.map((name, i) => ({
          label: name,
          stroke: ink[i]!,
          width: 1.75,
          show: !hidden.has(name),
          spanGaps: true,
          ...(shown[i]!.dashed && { dash: [5, 4] }),
          ...(shown[i]!.shape === "dots" && { paths: () => null }),
          ...(shown[i]!.shape === "steps" && { paths: uPlot.paths.stepped!({ align: 1 }) }),
          points: {
            show: shown[i]!.shape ? shown[i]!.shape === "dots" : latest.current[0].length < 40,
            // one by itself is to be found, among others or on an empty ground
            size: shown[i]!.shape === "dots" ? (alone(shown[i]!) ? 12 : 7) : alone(shown[i]!) ? 8 : 5,
            fill: ink[i]!,
          },
        })),
      ],
      hooks: { setCursor: [(u) => setAt(u.cursor.idx ?? null)] },
    };
    const made = new uPlot(options, latest.current, host);
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: Math.max(host.clientWidth, 100), height }));
    watcher.observe(host);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = undefined;
    };
    // what the drawing is made of, as one text
  }, [shape]);
  useEffect(() => plot.current?.setData(data));

  const summary = shown.map((s) => `${s.name} ends at ${short(s.points.at(-1)![1])}${unit}`).join("; ");
  return (
    <figure className="chart">
      <figcaption>{title}</figcaption>
      {names.length === 0 ? (
        <p className="chart-none" style={{ height: Math.min(height, 120) }}>{none}</p>
      ) : (
        <>
          <div ref={box} role="img" aria-label={`${title}: ${summary}`} />
          <div className="chart-legend">
            {names.map((name, i) => (
              <button
                key={name}
                type="button"
                aria-pressed={!hidden.has(name)}
                onClick={() => setHidden((old) => new Set(old.has(name) ? [...old].filter((n) => n !== name) : [...old, name]))}
              >
                <i style={{ background: ink[i] }} />
                {name}
                <b>{short(at === null ? shown[i]!.points.at(-1)![1] : (data[i + 1]?.[at] as number | null))}{unit}</b>
              </button>
            ))}
          </div>
        </>
      )}
    </figure>
  );
}
