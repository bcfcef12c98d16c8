/** What is in a file, from its first bytes: a table, a tree, a picture, or its text. Nothing of it is ever run. */
import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { lazy, Suspense, useEffect, useState } from "react";

import { Code } from "../../kit/code";
import { table } from "../../kit/csv";
import { Facts } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { JsonView } from "../../kit/json";
import { useLoad } from "../../kit/load";
import { lookup } from "../../kit/lookup";
import { head } from "../../kit/object";
import { S3Link } from "../../kit/s3-link";
import { size } from "../../kit/sizes";
import { Waiting } from "../../kit/waiting";
import { Grid } from "./grid";

/** Bytes that are read of a text, and at most of a picture. */
const TEXT = 128 * 1024;
const PICTURE = 16 * 1024 * 1024;
const ROWS = 100;

const Parquet = lazy(() => import("./parquet-view"));

const PICTURES = lookup({ png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp" });
/** What a Parquet file begins with, whatever it is called. */
const MAGIC = "PAR1";
const isParquet = (body: Uint8Array) => new TextDecoder().decode(body.subarray(0, MAGIC.length)) === MAGIC;
const ending = (key: string) => key.split(".").pop()!.toLowerCase();

export function Preview({ bucket, name: key }: { bucket: string; name: string }) {
  const picture = PICTURES[ending(key)];
  const { value, error, reload } = useLoad((abort) => head(bucket, key, picture ? PICTURE : ending(key) === "parquet" ? MAGIC.length : TEXT, abort), [bucket, key]);
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="It cannot be read" />;
  if (!value) return <Waiting />;
  return (
    <SpaceBetween size="m">
      <Facts columns={3} of={{ URI: <S3Link uri={`s3://${bucket}/${key}`} />, Size: size(value.size), "Content type": value.type }} />
      {isParquet(value.body) ? (
        <Suspense fallback={<Waiting />}><Parquet bucket={bucket} name={key} bytes={value.size} /></Suspense>
      ) : (
        <Content name={key} body={value.body} whole={value.body.length >= value.size} picture={picture} />
      )}
    </SpaceBetween>
  );
}

function Content({ name, body, whole, picture }: { name: string; body: Uint8Array<ArrayBuffer>; whole: boolean; picture: string | undefined }) {
  if (body.length === 0) return <Box color="text-body-secondary">It is empty.</Box>;
  if (picture) return whole ? <Picture body={body} type={picture} name={name} /> : <Box color="text-body-secondary">The picture is too large to be shown here.</Box>;
  if (body.subarray(0, 4096).includes(0)) return <Binary name={name} />;
  const text = new TextDecoder().decode(body);
  const kind = ending(name);
  if (kind === "csv" || kind === "tsv") return <Rows text={text} whole={whole} by={kind === "tsv" ? "\t" : ","} />;
  if (kind === "json" && whole) {
    try {
      const document: unknown = JSON.parse(text);
      if (typeof document === "object" && document !== null) return <JsonView value={document} />;
    } catch {
      // it is no JSON after all: its text is shown
    }
  }
  return (
    <>
      <Code text={text} label="Text" />
      {!whole && <Box color="text-body-secondary">Its first {size(TEXT)}.</Box>}
    </>
  );
}

const KINDS = lookup({ gz: "an archive: a training job's model or output", tgz: "an archive", zip: "an archive", pkl: "a pickle, which only a container of yours should open", onnx: "an ONNX model", npy: "an array of NumPy" });

function Binary({ name }: { name: string }) {
  return <Box color="text-body-secondary">It is {KINDS[ending(name)] ?? "not text"}. Download it to look inside.</Box>;
}

function Picture({ body, type, name }: { body: Uint8Array<ArrayBuffer>; type: string; name: string }) {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([body], { type }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [body, type]);
  return url ? <img className="picture" src={url} alt={name.split("/").pop()!} /> : null;
}

function Rows({ text, whole, by }: { text: string; whole: boolean; by: string }) {
  // the last line may be cut where the reading ended
  const rows = table(whole ? text : text.slice(0, text.lastIndexOf("\n")), by, ROWS + 1);
  const first = rows[0] ?? [];
  const named = first.length > 0 && first.every((c) => c !== "" && Number.isNaN(Number(c)));
  const head = named ? first : first.map((_, i) => `column ${i}`);
  const shown = (named ? rows.slice(1) : rows).slice(0, ROWS);
  return (
    <>
      <Grid head={head} rows={shown} />
      <Box color="text-body-secondary">{head.length} columns{named ? "" : ", without names"}; {rows.length > shown.length + (named ? 1 : 0) || !whole ? `the first ${shown.length} rows` : `${shown.length} rows`}.</Box>
    </>
  );
}
