/** A request's body as fields to fill in, and the body of fields that were filled in. */
import { table } from "../../kit/csv";

export interface Field {
  name: string;
  value: string;
  /** The body with another value in this field's place. */
  with: (value: string) => string;
}

/** More fields than that are a text, not a form. */
const MOST = 64;

const cell = (text: string, by: string) => (text.includes(by) || /["\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const line = (cells: readonly string[]) => cells.map((c) => cell(c, ",")).join(",");

/** The first row of a CSV body; further rows stay as they are. */
function ofRow(body: string, names: readonly string[]): Field[] | undefined {
  const rows = table(body, ",", Infinity);
  const first = rows[0];
  if (!first || first.length > MOST) return undefined;
  return first.map((value, i) => ({
    name: names[i] ?? `Column ${i + 1}`,
    value,
    with: (next) => [line(first.map((c, j) => (j === i ? next : c))), ...rows.slice(1).map(line)].join("\n"),
  }));
}

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

function* leaves(value: Json, path: (string | number)[]): Generator<[(string | number)[], string | number | boolean | null]> {
  if (typeof value !== "object" || value === null) yield [path, value];
  else if (Array.isArray(value)) for (const [i, v] of value.entries()) yield* leaves(v, [...path, i]);
  else for (const [k, v] of Object.entries(value)) yield* leaves(v, [...path, k]);
}

const called = (path: readonly (string | number)[]) => path.map((p, i) => (typeof p === "number" ? `[${p}]` : i ? `.${p}` : p)).join("");

/** Of the same kind as what was there, where the text can be that. */
function typed(text: string, before: Json): Json {
  if (typeof before === "string") return text;
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  return text.trim() !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
}

function put(of: Json, path: readonly (string | number)[], value: Json): Json {
  const [at, ...rest] = path;
  if (at === undefined) return value;
  if (Array.isArray(of)) return of.map((v, i) => (i === at ? put(v, rest, value) : v));
  return Object.fromEntries(Object.entries(of as Record<string, Json>).map(([k, v]) => [k, k === at ? put(v, rest, value) : v]));
}

function ofDocument(body: string): Field[] | undefined {
  let whole: Json;
  try {
    whole = JSON.parse(body) as Json;
  } catch {
    return undefined;
  }
  const found: Field[] = [];
  for (const [path, value] of leaves(whole, [])) {
    if (found.length === MOST) return undefined;
    found.push({ name: called(path) || "Value", value: String(value), with: (next) => JSON.stringify(put(whole, path, typed(next, value))) });
  }
  return found;
}

/** @returns undefined where a form would not help: other types, too many fields, no body */
export function fields(body: string, type: string, names: readonly string[]): Field[] | undefined {
  if (!body.trim()) return undefined;
  if (/json/.test(type) && !/lines/.test(type)) return ofDocument(body);
  return /csv/.test(type) ? ofRow(body, names) : undefined;
}

export interface Sheet {
  names: string[];
  rows: string[][];
}

const isName = (text: string) => text !== "" && Number.isNaN(Number(text));

/** A CSV file's columns and first rows; columns without names are numbered. */
export function sheet(text: string, most: number): Sheet {
  const rows = table(text, ",", most + 1);
  const first = rows[0] ?? [];
  const named = first.length > 0 && first.every(isName);
  return { names: named ? first : first.map((_, i) => `Column ${i + 1}`), rows: named ? rows.slice(1) : rows };
}

/** One row without a column: the target, which the model is to say. */
export function rowOf({ names, rows }: Sheet, at: number, without: number): { body: string; names: string[] } {
  const keep = <T,>(of: readonly T[]) => of.filter((_, i) => i !== without);
  return { body: line(keep(rows[at] ?? [])), names: keep(names) };
}
