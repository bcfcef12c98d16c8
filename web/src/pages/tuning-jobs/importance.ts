/**
 * How much each hyperparameter alone has to do with where the trials ended. Pure.
 *
 * The trials are put in classes by the value of one hyperparameter (each category, or classes of about equal size of a number), and the
 * objective is replaced by its rank, so that one diverged trial is not all there is. The share is that of the ranks' variance that lies
 * between the classes, less what chance alone puts there: Kelley's epsilon squared, which on ranks is (H - k + 1) / (n - k) with Kruskal
 * and Wallis's H for n trials in k classes. Sampled at random, it estimates the first-order sensitivity index of the ranked objective.
 *
 * It says nothing of hyperparameters that matter only together, and as a search goes where it is good, its trials are not spread evenly:
 * shares are of the trials there are, not of the whole space, and do not sum to one.
 *
 * Sources: Kruskal and Wallis, Use of ranks in one-criterion variance analysis, JASA 47 (1952); Kelley, An unbiased correlation ratio
 * measure, PNAS 21 (1935); Plischke, Borgonovo and Smith, Global sensitivity measures from given data, EJOR 226 (2013).
 */

/** With fewer trials nothing is said. */
export const LEAST = 10;
const CLASSES = 8;
/** Trials that a class of numbers has at least, where the values allow. */
const OF_A_CLASS = 5;

export interface Observed {
  values: Record<string, string | undefined>;
  objective: number;
}

export interface Importance {
  name: string;
  /** Of the variance of the objective's ranks, 0 to 1. */
  share: number;
  /** Whether classes that do not matter would differ so much in less than one case of twenty. */
  beyondChance: boolean;
  /** Spearman's rank correlation with the objective; undefined for categories. */
  trend: number | undefined;
  /** Trials that have a value for it. */
  trials: number;
}

/** Ranks from 1; equal values share the mean of theirs. */
export function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const found = new Array<number>(values.length);
  for (let from = 0, to = 0; from < order.length; from = to) {
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) found[order[i]!] = (from + 1 + to) / 2;
  }
  return found;
}

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

function correlation(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [mean(a), mean(b)];
  const sum = (of: (i: number) => number) => a.reduce((s, _, i) => s + of(i), 0);
  const spread = Math.sqrt(sum((i) => (a[i]! - ma) ** 2) * sum((i) => (b[i]! - mb) ** 2));
  return spread === 0 ? 0 : sum((i) => (a[i]! - ma) * (b[i]! - mb)) / spread;
}

/** The class of each value: numbers in classes of about equal size, equal ones never apart; anything else by itself. */
function classes(values: readonly string[], numeric: boolean): (number | string)[] {
  const distinct = new Set(values).size;
  const wanted = Math.max(3, Math.min(CLASSES, Math.floor(values.length / OF_A_CLASS)));
  if (!numeric || distinct <= wanted) return [...values];
  return ranks(values.map(Number)).map((r) => Math.min(Math.floor(((r - 0.5) * wanted) / values.length), wanted - 1));
}

/** Whether H is in the upper twentieth of chi squared: by Wilson and Hilferty's cube root, which is normal. */
function unlikely(h: number, freedom: number): boolean {
  const part = 2 / (9 * freedom);
  return (Math.cbrt(h / freedom) - (1 - part)) / Math.sqrt(part) > 1.6449;
}

function of(name: string, observed: readonly Observed[]): Importance | undefined {
  const known = observed.filter((o) => o.values[name] !== undefined);
  const texts = known.map((o) => o.values[name]!);
  const n = known.length;
  if (n < LEAST) return undefined;
  const numeric = texts.every((t) => t.trim() !== "" && Number.isFinite(Number(t)));
  const y = ranks(known.map((o) => o.objective));
  const groups = new Map<number | string, number[]>();
  classes(texts, numeric).forEach((c, i) => groups.set(c, [...(groups.get(c) ?? []), y[i]!]));
  const k = groups.size;
  const trend = numeric ? correlation(ranks(texts.map(Number)), y) : undefined;
  const middle = mean(y);
  const all = y.reduce((s, v) => s + (v - middle) ** 2, 0);
  if (k < 2 || k >= n || all === 0) return { name, share: 0, beyondChance: false, trend, trials: n };
  const between = [...groups.values()].reduce((s, g) => s + g.length * (mean(g) - middle) ** 2, 0);
  const h = ((n - 1) * between) / all;
  return { name, share: Math.max(0, (h - k + 1) / (n - k)), beyondChance: unlikely(h, k - 1), trend, trials: n };
}

/** The most important first; those of which too little is known are left out. */
export function importance(observed: readonly Observed[], names: readonly string[]): Importance[] {
  return names.map((name) => of(name, observed)).filter((i) => i !== undefined).sort((a, b) => b.share - a.share || a.name.localeCompare(b.name));
}
