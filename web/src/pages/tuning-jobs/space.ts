/** Hyperparameters as axes: where a trial stands on each, on the scale that the search uses. Pure. */
import type { HyperParameterTrainingJobSummary, ParameterRanges } from "@aws-sdk/client-sagemaker";

import { rowsOf, scaling, type Row } from "./ranges";

export interface Axis {
  name: string;
  /** From 0 (bottom) to 1 (top); undefined where a trial has no value. */
  at: (t: HyperParameterTrainingJobSummary) => number | undefined;
  ticks: { at: number; label: string }[];
  /** Said where it is not linear. */
  scale?: string;
}

/** Categories that are all labelled. */
const LABELLED = 10;

const number = (value: number) => (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e6) ? value.toExponential(1).replace(".0e", "e") : String(Number(value.toPrecision(4))));
const clamped = (share: number) => Math.min(1, Math.max(0, share));
const FORWARD = {
  Linear: (v: number) => v,
  Logarithmic: (v: number) => Math.log(v),
  ReverseLogarithmic: (v: number) => -Math.log(1 - v),
};

/** Powers of ten within, where the ends are far enough from them to be read. */
function between(low: number, high: number, position: (v: number) => number): number[] {
  const found = [];
  for (let power = Math.ceil(Math.log10(low)); 10 ** power < high; power++) if (position(10 ** power) > 0.08 && position(10 ** power) < 0.92) found.push(10 ** power);
  return found.length > 6 ? found.filter((_, i) => i % 2 === 0) : found;
}

function numeric(name: string, low: number, high: number, said: string | undefined, of: (t: HyperParameterTrainingJobSummary) => number | undefined): Axis {
  const scale = scaling(said, low, high);
  const forward = FORWARD[scale];
  const position = (v: number) => (high === low ? 0.5 : clamped((forward(v) - forward(low)) / (forward(high) - forward(low))));
  const inner = scale === "Logarithmic" ? between(low, high, position) : scale === "Linear" ? [(low + high) / 2] : [];
  const marked = high === low ? [low] : [low, ...inner, high];
  return {
    name,
    at: (t) => {
      const v = of(t);
      return v === undefined || !Number.isFinite(v) ? undefined : position(v);
    },
    ticks: marked.map((v) => ({ at: position(v), label: number(v) })),
    ...(scale !== "Linear" && { scale: scale === "Logarithmic" ? "log" : "reverse log" }),
  };
}

function categorical(name: string, values: readonly string[]): Axis {
  const position = (i: number) => (values.length === 1 ? 0.5 : i / (values.length - 1));
  const labels = values.map((label, i) => ({ at: position(i), label }));
  return {
    name,
    at: (t) => {
      const i = values.indexOf(t.TunedHyperParameters?.[name] ?? "\u0000");
      return i < 0 ? undefined : position(i);
    },
    ticks: labels.length <= LABELLED ? labels : [labels[0]!, labels.at(-1)!],
  };
}

/** What the trials themselves tell of a hyperparameter without a range, such as one that Autotune chose. */
function guessed(name: string, trials: readonly HyperParameterTrainingJobSummary[]): Row | undefined {
  const texts = [...new Set(trials.map((t) => t.TunedHyperParameters?.[name]).filter((v) => v !== undefined))];
  const numbers = texts.map(Number);
  if (texts.length === 0) return undefined;
  if (numbers.some((v) => !Number.isFinite(v))) return { kind: "Categorical", name, low: "", high: "", scale: "Auto", values: texts.sort() };
  return { kind: "Continuous", name, low: String(Math.min(...numbers)), high: String(Math.max(...numbers)), scale: "Auto", values: [] };
}

/** The axes of the hyperparameters, in the order of their names given. */
export function axes(names: readonly string[], ranges: readonly (ParameterRanges | undefined)[], trials: readonly HyperParameterTrainingJobSummary[]): Axis[] {
  const rows = new Map(ranges.flatMap((r) => rowsOf(r)).reverse().map((r) => [r.name, r]));
  return names.flatMap((name) => {
    const row = rows.get(name) ?? guessed(name, trials);
    if (!row) return [];
    if (row.kind === "Categorical") return [categorical(name, row.values)];
    return [numeric(name, Number(row.low), Number(row.high), row.scale, (t) => (t.TunedHyperParameters?.[name] === undefined ? undefined : Number(t.TunedHyperParameters[name])))];
  });
}

/** The axis of the objective, over what was measured. */
export function objectiveAxis(name: string, trials: readonly HyperParameterTrainingJobSummary[], value: (t: HyperParameterTrainingJobSummary) => number | undefined): Axis {
  const found = trials.map(value).filter((v) => v !== undefined);
  return numeric(name, Math.min(...found), Math.max(...found), "Linear", value);
}
