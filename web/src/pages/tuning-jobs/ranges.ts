/** The ranges of a tuning job as rows that people edit, and back; what is wrong with one in words. Pure. */
import type { HyperParameterTuningJobStrategyType, ParameterRanges } from "@aws-sdk/client-sagemaker";

export type Kind = "Continuous" | "Integer" | "Categorical";
export type Scale = "Auto" | "Linear" | "Logarithmic" | "ReverseLogarithmic";

export interface Row {
  kind: Kind;
  name: string;
  /** Texts, as in the API: what is typed is what is sent. */
  low: string;
  high: string;
  scale: Scale;
  values: string[];
}

export const row = (part: Partial<Row> = {}): Row => ({ kind: "Continuous", name: "", low: "", high: "", scale: "Auto", values: [], ...part });

/** The largest value is so many times the smallest where the server takes the logarithm by itself. */
const WIDE = 100;

/** The scale that is used. */
export function scaling(said: string | undefined, low: number, high: number): Exclude<Scale, "Auto"> {
  if (said && said !== "Auto") return said as Exclude<Scale, "Auto">;
  return low > 0 && high / low >= WIDE ? "Logarithmic" : "Linear";
}

export function rowsOf(ranges: ParameterRanges | undefined): Row[] {
  const numbers = (kind: "Continuous" | "Integer") =>
    (ranges?.[`${kind}ParameterRanges`] ?? []).map((r) => row({ kind, name: r.Name ?? "", low: r.MinValue ?? "", high: r.MaxValue ?? "", scale: r.ScalingType ?? "Auto" }));
  const categories = (ranges?.CategoricalParameterRanges ?? []).map((r) => row({ kind: "Categorical", name: r.Name ?? "", values: [...(r.Values ?? [])] }));
  return [...numbers("Continuous"), ...numbers("Integer"), ...categories];
}

export function rangesOf(rows: readonly Row[]): ParameterRanges {
  const numbers = (kind: Kind) => rows.filter((r) => r.kind === kind).map((r) => ({ Name: r.name, MinValue: r.low, MaxValue: r.high, ScalingType: r.scale }));
  const [continuous, integer] = [numbers("Continuous"), numbers("Integer")];
  const categories = rows.filter((r) => r.kind === "Categorical").map((r) => ({ Name: r.name, Values: r.values }));
  return {
    ...(continuous.length > 0 && { ContinuousParameterRanges: continuous }),
    ...(integer.length > 0 && { IntegerParameterRanges: integer }),
    ...(categories.length > 0 && { CategoricalParameterRanges: categories }),
  };
}

export interface Fault {
  /** Which field of the row it is about. */
  at: "name" | "low" | "high" | "scale" | "values" | "kind";
  said: string;
}

function numeric(r: Row): Fault | undefined {
  for (const at of ["low", "high"] as const) {
    const good = r.kind === "Integer" ? /^\s*-?\d+\s*$/.test(r[at]) : r[at].trim() !== "" && Number.isFinite(Number(r[at]));
    if (!good) return { at, said: r.kind === "Integer" ? "An integer, please." : "A number, please." };
  }
  const [low, high] = [Number(r.low), Number(r.high)];
  if (low >= high) return { at: "high", said: "More than its smallest value." };
  if (r.scale === "Logarithmic" && low <= 0) return { at: "low", said: "A logarithmic scale begins above 0." };
  if (r.scale !== "ReverseLogarithmic") return undefined;
  if (r.kind === "Integer") return { at: "scale", said: "Not for integers." };
  return low < 0 || high >= 1 ? { at: "high", said: "Reverse logarithmic is for 0 ≤ x < 1." } : undefined;
}

/** What the server would refuse of a row, among the others; undefined where nothing. */
export function fault(r: Row, all: readonly Row[], fixed: Record<string, string>, strategy: HyperParameterTuningJobStrategyType | undefined): Fault | undefined {
  if (!r.name.trim()) return { at: "name", said: "It needs a name." };
  if (all.filter((o) => o.name === r.name).length > 1) return { at: "name", said: "It has two ranges." };
  if (r.name in fixed) return { at: "name", said: "It also has a fixed value below." };
  if (r.kind !== "Categorical") return strategy === "Grid" ? { at: "kind", said: "Grid tries categorical ones only." } : numeric(r);
  if (r.values.length === 0) return { at: "values", said: "At least one value." };
  return new Set(r.values).size < r.values.length ? { at: "values", said: "A value stands twice." } : undefined;
}

/** How many trials a grid has. */
export const combinations = (rows: readonly Row[]) => rows.reduce((n, r) => n * Math.max(r.values.length, 1), 1);
