/**
 * Parquet by ranges: the footer says where everything is, then only the pages or column chunks of the rows that are shown are read. What
 * decompresses is loaded when a file needs it; all of it is JavaScript, for the policy of the pages runs no WebAssembly.
 */
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { parquetMetadataAsync, parquetReadObjects, parquetSchema, type AsyncBuffer, type ColumnMetaData, type Compressors, type FileMetaData, type SchemaTree } from "hyparquet";

import { s3 } from "../../kit/aws/s3";

/** Bytes of a file's end that are read first: most footers fit. */
const FOOTER = 64 * 1024;
/** Compressed bytes of columns that are read for one page of rows; columns beyond it are left out until they are asked for. */
export const ENOUGH = 32 * 1024 * 1024;

export interface Column {
  name: string;
  type: string;
  codec: string;
  bytes: number;
  nulls: string;
  least: string;
  most: string;
}

export interface Opened {
  file: AsyncBuffer;
  about: FileMetaData;
  columns: Column[];
  rows: number;
  /** Bytes that have been read so far. */
  read: () => number;
}

function ranges(Bucket: string, Key: string, byteLength: number): { file: AsyncBuffer; read: () => number } {
  let bytes = 0;
  const slice = async (start: number, end = byteLength) => {
    const { Body } = await s3().send(new GetObjectCommand({ Bucket, Key, Range: `bytes=${start}-${end - 1}` }));
    const body = await Body!.transformToByteArray();
    bytes += body.length;
    return body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) as ArrayBuffer;
  };
  return { file: { byteLength, slice }, read: () => bytes };
}

/** A cell as people read it. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString().replace("T00:00:00.000Z", "");
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === "object") return JSON.stringify(value, (_, v: unknown) => (typeof v === "bigint" ? Number(v) : v));
  return String(value as string | number | bigint | boolean);
}

const typeOf = ({ element, children }: SchemaTree): string => {
  const logical = element.logical_type?.type ?? element.converted_type;
  if (children.length > 0) return (logical ?? "group").toLowerCase();
  return [logical ?? element.type, element.type_length && !logical ? `(${element.type_length})` : ""].join("").toLowerCase();
};

/** The chunks of a column over all row groups; one that is nested has several leaves. */
const chunks = (about: FileMetaData, name: string, groups = about.row_groups): ColumnMetaData[] => groups.flatMap((g) => g.columns.flatMap((c) => (c.meta_data?.path_in_schema[0] === name ? [c.meta_data] : [])));

/** The least or the most of the row groups' own; nothing where one of them does not say. */
function extreme(values: unknown[], want: "least" | "most"): string {
  const known = values.filter((v) => v !== undefined) as (string | number | bigint | Date)[];
  if (known.length === 0 || known.length < values.length) return "";
  return cell(known.reduce((a, b) => (a < b === (want === "most") ? b : a)));
}

function column(about: FileMetaData, tree: SchemaTree): Column {
  const name = tree.element.name;
  const found = chunks(about, name);
  const counts = found.map((c) => c.statistics?.null_count);
  const plain = tree.children.length === 0;
  return {
    name,
    type: typeOf(tree),
    codec: [...new Set(found.map((c) => c.codec.toLowerCase()))].join(", "),
    bytes: found.reduce((n, c) => n + Number(c.total_compressed_size), 0),
    nulls: plain && counts.every((n) => n !== undefined) ? String(counts.reduce((a, b) => a + b, 0n)) : "",
    least: plain ? extreme(found.map((c) => c.statistics?.min_value ?? c.statistics?.min), "least") : "",
    most: plain ? extreme(found.map((c) => c.statistics?.max_value ?? c.statistics?.max), "most") : "",
  };
}

export async function open(bucket: string, key: string, size: number): Promise<Opened> {
  const { file, read } = ranges(bucket, key, size);
  const about = await parquetMetadataAsync(file, { initialFetchSize: FOOTER });
  return { file, about, read, rows: Number(about.num_rows), columns: parquetSchema(about).children.map((c) => column(about, c)) };
}

async function decompressors(about: FileMetaData, columns: string[]): Promise<Compressors> {
  const codecs = new Set(columns.flatMap((name) => chunks(about, name).map((c) => c.codec)));
  const found: Compressors = {};
  if (codecs.has("GZIP")) {
    const { gunzip } = await import("hyparquet-compressors/src/gzip.js");
    found.GZIP = (input, length) => gunzip(input, new Uint8Array(length));
  }
  if (codecs.has("ZSTD")) {
    const { decompress } = await import("fzstd");
    found.ZSTD = (input) => decompress(input);
  }
  if (codecs.has("BROTLI")) found.BROTLI = (await import("hyparquet-compressors/src/brotli.js")).decompressBrotli;
  if (codecs.has("LZ4") || codecs.has("LZ4_RAW")) {
    const { decompressLz4, decompressLz4Raw } = await import("hyparquet-compressors/src/lz4.js");
    Object.assign(found, { LZ4: decompressLz4, LZ4_RAW: decompressLz4Raw });
  }
  return found;
}

/** The row groups that hold these rows. */
function groupsOf(about: FileMetaData, from: number, to: number) {
  let at = 0;
  return about.row_groups.filter((g) => {
    const begins = at;
    at += Number(g.num_rows);
    return begins < to && at > from;
  });
}

/** The first columns whose chunks of these rows are within `most` bytes together. */
export function affordable({ about, columns }: Opened, from: number, to: number, most: number): string[] {
  const groups = groupsOf(about, from, to);
  let left = most;
  const found: string[] = [];
  for (const { name } of columns) {
    left -= chunks(about, name, groups).reduce((n, c) => n + Number(c.total_compressed_size), 0);
    if (left < 0) break;
    found.push(name);
  }
  return found;
}

export async function rows({ file, about }: Opened, columns: string[], rowStart: number, rowEnd: number): Promise<string[][]> {
  if (columns.length === 0) return [];
  const found = await parquetReadObjects({ file, metadata: about, columns, rowStart, rowEnd, compressors: await decompressors(about, columns), useOffsetIndex: true });
  return found.map((row) => columns.map((name) => cell(row[name])));
}
