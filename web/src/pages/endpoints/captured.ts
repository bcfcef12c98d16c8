/** What data capture has kept, newest first: JSON lines in objects by hour, below a folder for each variant. */
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";

import { s3 } from "../../kit/aws/s3";

export interface Payload {
  /** Undefined for what is no text. */
  text: string | undefined;
  type: string;
  bytes: number;
}

export interface Captured {
  /** Its own among all: a shadow's record has the id of the request that was copied. */
  key: string;
  id: string;
  at: Date;
  variant: string;
  inferenceId: string;
  attributes: string;
  input: Payload | undefined;
  output: Payload | undefined;
}

interface Part {
  observedContentType?: string;
  data: string;
  encoding: "CSV" | "JSON" | "BASE64";
}

interface Line {
  captureData: { endpointInput?: Part; endpointOutput?: Part };
  eventMetadata: { eventId: string; inferenceId?: string; customAttributes?: string[] | string; inferenceTime: string };
}

/** Bytes that are read of an object, from its end. */
const TAIL = 1024 * 1024;

function payload(part: Part | undefined): Payload | undefined {
  if (!part) return undefined;
  const type = part.observedContentType ?? "";
  if (part.encoding !== "BASE64") return { text: part.data, type, bytes: new TextEncoder().encode(part.data).length };
  const bytes = Uint8Array.from(atob(part.data), (c) => c.charCodeAt(0));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // control characters that no text has
    // eslint-disable-next-line no-control-regex
    return { text: /[\x00-\x08\x0e-\x1f]/.test(text) ? undefined : text, type, bytes: bytes.length };
  } catch {
    return { text: undefined, type, bytes: bytes.length };
  }
}

function parsed(text: string, variant: string): Captured | undefined {
  try {
    const { captureData: data, eventMetadata: about } = JSON.parse(text) as Line;
    return {
      key: `${variant}/${about.eventId}`,
      id: about.eventId,
      at: new Date(about.inferenceTime),
      variant,
      inferenceId: about.inferenceId ?? "",
      attributes: [about.customAttributes ?? []].flat().join(", "),
      input: payload(data.endpointInput),
      output: payload(data.endpointOutput),
    };
  } catch {
    return undefined; // a line that somebody else has put there
  }
}

/** The requests of one object, newest first. */
async function requests(Bucket: string, Key: string, Size: number, variant: string, abortSignal: AbortSignal): Promise<Captured[]> {
  const whole = Size <= TAIL;
  const { Body } = await s3().send(new GetObjectCommand({ Bucket, Key, ...(!whole && { Range: `bytes=-${TAIL}` }) }), { abortSignal });
  const lines = (await Body!.transformToString()).split("\n");
  // the first line may be cut where the reading began
  return (whole ? lines : lines.slice(1)).filter(Boolean).reverse().flatMap((line) => parsed(line, variant) ?? []);
}

async function listed(Bucket: string, Prefix: string, abortSignal: AbortSignal) {
  const folders: string[] = [];
  const objects: { Key: string; Size: number }[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await s3().send(new ListObjectsV2Command({ Bucket, Prefix, Delimiter: "/", ContinuationToken }), { abortSignal });
    folders.push(...(page.CommonPrefixes ?? []).map((p) => p.Prefix!));
    objects.push(...(page.Contents ?? []).filter((o) => o.Key!.endsWith(".jsonl")).map((o) => ({ Key: o.Key!, Size: o.Size ?? 0 })));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken);
  return { folders: folders.sort().reverse(), objects: objects.sort((a, b) => (a.Key < b.Key ? 1 : -1)) };
}

/** Below a variant, its newest requests: years, months, days and hours from the last to the first; a component has a folder of its own. */
async function* below(Bucket: string, Prefix: string, variant: string, abortSignal: AbortSignal): AsyncGenerator<Captured[]> {
  const { folders, objects } = await listed(Bucket, Prefix, abortSignal);
  for (const { Key, Size } of objects) yield await requests(Bucket, Key, Size, variant, abortSignal);
  for (const folder of folders) {
    const name = folder.slice(Prefix.length, -1);
    yield* below(Bucket, folder, /^\d{2,4}$/.test(name) ? variant : `${variant} / ${name}`, abortSignal);
  }
}

/** @returns at most `most` requests of each variant, newest first, and whether there may be more */
export async function captured(destination: string, endpoint: string, most: number, abortSignal: AbortSignal): Promise<{ found: Captured[]; more: boolean }> {
  const [, bucket = "", path = ""] = /^s3:\/\/([^/]+)\/?(.*?)\/?$/.exec(destination) ?? [];
  const root = `${path ? `${path}/` : ""}${endpoint}/`;
  const { folders } = await listed(bucket, root, abortSignal);
  let more = false;
  const each = folders.map(async (folder) => {
    const found: Captured[] = [];
    for await (const some of below(bucket, folder, folder.slice(root.length, -1), abortSignal)) {
      found.push(...some);
      if (found.length >= most) {
        more = true;
        break;
      }
    }
    return found.slice(0, most);
  });
  const found = (await Promise.all(each)).flat().sort((a, b) => b.at.getTime() - a.at.getTime());
  return { found, more };
}
